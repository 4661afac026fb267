// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"slices"
	"sync"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/carry/twin"
)

// maxAwaited bounds the runs of memory that casts of one session are writing. Beyond it, memory is shared.
const maxAwaited = 1 << 20

// pinned is what the uplink knows of the program's pinned memory, and what the downlink tells it. There are two
// kinds. Of most, only copies read and write, and the commands tell what and when. What kernels, graphs or
// host functions may reach by themselves is shared: it has a twin on both sides.
type pinned struct {
	region carry.Region
	heap   uint64 // offset at which pinned memory begins
	shared *twin.Set
	// The uplink's own:
	pieces  []piece // by offset
	aliases []alias

	mu      sync.Mutex
	awaited []span // being written by casts
}

// piece is one allocation.
type piece struct {
	offset, size uint64
	touched      bool // the worker's memory may be other than zero
	shared       bool
}

// alias is a second address of an allocation, by which kernels may find it: that of the program's own memory whose
// place the allocation has taken.
type alias struct {
	address, offset, size uint64
}

// span is a run of bytes that a cast writes.
type span struct {
	offset, size, cast uint64
}

func newPinned(region carry.Region, heap uint64) *pinned {
	return &pinned{region: region, heap: heap, shared: twin.New(region)}
}

// find is the piece that an offset lies in, or nil.
func (p *pinned) find(offset uint64) *piece {
	i, _ := slices.BinarySearchFunc(p.pieces, offset, func(a piece, at uint64) int {
		if a.offset+a.size <= at {
			return -1
		}
		if a.offset > at {
			return 1
		}
		return 0
	})
	if i < len(p.pieces) && p.pieces[i].offset <= offset {
		return &p.pieces[i]
	}
	return nil
}

// add notes an allocation. A range that was noted before has been freed meanwhile, or never came about.
func (p *pinned) add(offset, size uint64) *piece {
	if size == 0 || offset < p.heap || offset > uint64(len(p.region)) || size > uint64(len(p.region))-offset {
		return nil // the worker refuses it
	}
	p.remove(offset, size)
	i, _ := slices.BinarySearchFunc(p.pieces, offset, func(a piece, at uint64) int {
		if a.offset < at {
			return -1
		}
		return 1
	})
	p.pieces = slices.Insert(p.pieces, i, piece{offset: offset, size: size})
	return &p.pieces[i]
}

// remove forgets all allocations in a range, and what is still written there.
func (p *pinned) remove(offset, size uint64) {
	p.shared.Remove(offset, size)
	p.aliases = slices.DeleteFunc(p.aliases, func(a alias) bool { return a.offset < offset+size && offset < a.offset+a.size })
	p.pieces = slices.DeleteFunc(p.pieces, func(a piece) bool { return a.offset < offset+size && offset < a.offset+a.size })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.awaited = slices.DeleteFunc(p.awaited, func(s span) bool { return s.offset-offset < size })
}

// addAlias notes the second address of an allocation, which has one at most.
func (p *pinned) addAlias(address, offset, size uint64) {
	if piece := p.find(offset); piece == nil || piece.offset != offset || piece.size != size {
		return // the worker refuses it
	}
	p.aliases = slices.DeleteFunc(p.aliases, func(a alias) bool { return a.offset == offset })
	p.aliases = append(p.aliases, alias{address, offset, size})
}

// await notes what a cast writes, and says whether it could. Until written, the worker's side of it is the newer one.
func (p *pinned) await(cast uint64, offset, size uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.awaited) == maxAwaited {
		return false
	}
	p.awaited = append(p.awaited, span{offset, size, cast})
	return true
}

// written says that the memory of a cast has come.
func (p *pinned) written(cast uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.awaited = slices.DeleteFunc(p.awaited, func(s span) bool { return s.cast == cast })
}

// own yields the runs of a range that no cast is writing.
func (p *pinned) own(offset, size uint64, yield func(offset, size uint64)) {
	p.mu.Lock()
	var holes []span
	for _, s := range p.awaited {
		if s.offset < offset+size && offset < s.offset+s.size {
			holes = append(holes, s)
		}
	}
	p.mu.Unlock()
	slices.SortFunc(holes, func(a, b span) int {
		if a.offset < b.offset {
			return -1
		}
		return 1
	})
	end := offset + size
	for _, h := range holes {
		if h.offset > offset {
			yield(offset, h.offset-offset)
		}
		offset = max(offset, h.offset+h.size)
	}
	if offset < end {
		yield(offset, end-offset)
	}
}

// named is the piece that a word of a command's arguments may be an address of, or nil. base is the region's.
func (p *pinned) named(word, base uint64) *piece {
	if word-base-p.heap < uint64(len(p.region))-p.heap {
		return p.find(word - base)
	}
	for _, a := range p.aliases {
		if word-a.address < a.size {
			return p.find(a.offset + word - a.address)
		}
	}
	return nil
}

// share begins to keep twins of an allocation. What the worker does not have of it follows with the next changes
// that are sent; what casts are writing, when it is written.
func (p *pinned) share(a *piece, out *carry.Writer) error {
	if a.shared {
		return nil
	}
	if err := p.shared.Add(a.offset, a.size, a.touched); err != nil {
		return err
	}
	a.shared = true
	if a.touched {
		p.own(a.offset, a.size, func(offset, size uint64) { p.shared.Send(offset, size, carry.MaxPayload, out.Memory) })
	}
	out.Share(a.offset, a.size)
	return nil
}
