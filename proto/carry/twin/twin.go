// SPDX-License-Identifier: Apache-2.0

// Package twin keeps memory alike that two sides write to, neither of which can see the other's stores: each
// keeps a twin, the content that both have agreed on, and sends the bytes that differ from it (Keleher et al.,
// TreadMarks, 1994). Bytes of one cache line that both sides write each keep their writer's value. Bytes that
// both sides write at the same time are the program's race, and each side ends up with either value.
package twin

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes in bytes. Parts are whole pages; a patch has a mask of changed bytes for each granule that changed.
const (
	page        = 4096
	granule     = 64
	entryHeader = 4 + 8 // u32 granules from the patch's offset, u64 mask

	// MinPatch is the most that one page's changes take.
	MinPatch = page / granule * (entryHeader + granule)
	maxReach = granule << 31
)

// Set is the shared parts of one region. Its methods may be called at the same time.
type Set struct {
	region []byte
	mu     sync.Mutex
	parts  []part        // by offset
	bytes  atomic.Uint64 // of all twins
}

type part struct {
	offset uint64
	twin   []byte
}

func (p part) end() uint64 { return p.offset + uint64(len(p.twin)) }

// New returns an empty set over a region, whose memory starts at a multiple of 8.
func New(region []byte) *Set { return &Set{region: region} }

// Empty says whether nothing is shared.
func (s *Set) Empty() bool { return s.Bytes() == 0 }

// Bytes is how much is shared: what the twins take of this process's memory at most.
func (s *Set) Bytes() uint64 { return s.bytes.Load() }

// Add begins to share n bytes at offset, whole pages. agreed says that the other side has what the memory
// has now; else it has zeroes.
func (s *Set) Add(offset, n uint64, agreed bool) error {
	size := uint64(len(s.region))
	if n == 0 || offset%page != 0 || n%page != 0 || offset > size || n > size-offset {
		return fmt.Errorf("share %d bytes at %#x: not pages of the region", n, offset)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.after(offset)
	if i > 0 && s.parts[i-1].end() > offset || i < len(s.parts) && s.parts[i].offset < offset+n {
		return fmt.Errorf("share %d bytes at %#x: shared already", n, offset)
	}
	twin, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("share %d bytes: %w", n, err)
	}
	s.bytes.Add(n) // before they take memory, and until they take none
	if agreed {
		copy(twin, s.region[offset:])
	}
	s.parts = slices.Insert(s.parts, i, part{offset, twin})
	return nil
}

// after is the index of the first part behind offset. The caller holds mu.
func (s *Set) after(offset uint64) int {
	i, _ := slices.BinarySearchFunc(s.parts, offset, func(p part, at uint64) int {
		if p.offset <= at {
			return -1
		}
		return 1
	})
	return i
}

// Remove ends sharing of all parts that touch n bytes at offset.
func (s *Set) Remove(offset, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = slices.DeleteFunc(s.parts, func(p part) bool {
		if p.offset >= offset+n || offset >= p.end() {
			return false
		}
		_ = unix.Munmap(p.twin)
		s.bytes.Add(-uint64(len(p.twin)))
		return true
	})
}

// Close frees all twins.
func (s *Set) Close() { s.Remove(0, uint64(len(s.region))) }

// Contains says whether n bytes at offset lie in one part.
func (s *Set) Contains(offset, n uint64) bool {
	if s.Empty() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.after(offset)
	return i > 0 && offset < s.parts[i-1].end() && n <= s.parts[i-1].end()-offset
}

// Store copies b into the region at offset, as the other side has it: what of it is shared is agreed on.
func (s *Set) Store(offset uint64, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	copy(s.region[offset:], b)
	s.agree(offset, b)
}

// Send hands n bytes at offset to send, in pieces of at most limit bytes that are valid during the call. What of
// them is shared is agreed on as it was sent. No lock is held while send runs.
func (s *Set) Send(offset, n uint64, limit int, send func(offset uint64, b []byte)) {
	var copied []byte
	for end := offset + n; offset < end; {
		b := s.region[offset:min(end, offset+uint64(limit))]
		if !s.Empty() {
			s.mu.Lock()
			copied = append(copied[:0], b...)
			b = copied
			s.agree(offset, b)
			s.mu.Unlock()
		}
		send(offset, b)
		offset += uint64(len(b))
	}
}

// agree takes b as what both sides have at offset. The caller holds mu.
func (s *Set) agree(offset uint64, b []byte) {
	end := offset + uint64(len(b))
	for _, p := range s.parts {
		if from, to := max(p.offset, offset), min(p.end(), end); from < to {
			copy(p.twin[from-p.offset:], b[from-offset:to-offset])
		}
	}
}

// Diff hands every change since the last agreement to send, in patches of at most limit bytes that are valid
// during the call, and takes them as agreed. It says whether there were any. limit is at least MinPatch. No lock
// is held while send runs, so that the other side's changes can come in while it waits for the other side.
func (s *Set) Diff(limit int, send func(offset uint64, patch []byte)) (changed bool) {
	if s.Empty() {
		return false
	}
	var p patch
	for next, more := uint64(0), true; more; {
		next, more = s.collect(next, limit, &p)
		if len(p.b) > 0 {
			send(p.start, p.b)
			changed, p.b = true, p.b[:0]
		}
	}
	return changed
}

// collect looks for changes from an offset on, and says from where to go on.
func (s *Set) collect(from uint64, limit int, to *patch) (next uint64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		for at := max(from, p.offset); at < p.end(); at += page {
			memory, twin := s.region[at:at+page], p.twin[at-p.offset:][:page]
			if bytes.Equal(memory, twin) {
				continue
			}
			if len(to.b) > 0 && (len(to.b)+MinPatch > limit || at-to.start > maxReach) {
				return at, true
			}
			to.page(at, memory, twin)
		}
	}
	return 0, false
}

// patch is a run of entries, for granules at and behind start.
type patch struct {
	start uint64
	b     []byte
}

// page notes and agrees on what differs in one page.
func (p *patch) page(offset uint64, memory, twin []byte) {
	for at := 0; at < page; at += granule {
		var now [granule / 8]uint64
		var mask uint64
		for i := range now {
			now[i] = atomic.LoadUint64(word(memory, at+8*i))
			mask |= different(now[i], *word(twin, at+8*i)) << (8 * i)
		}
		if mask != 0 {
			p.add(offset+uint64(at), mask, &now)
			for i, v := range now {
				*word(twin, at+8*i) = v
			}
		}
	}
}

func (p *patch) add(offset, mask uint64, now *[granule / 8]uint64) {
	if len(p.b) == 0 {
		p.start = offset
	}
	le := binary.LittleEndian
	p.b = le.AppendUint32(p.b, uint32((offset-p.start)/granule))
	p.b = le.AppendUint64(p.b, mask)
	for i, v := range now {
		switch m := byte(mask >> (8 * i)); m {
		case 0:
		case 0xff:
			p.b = le.AppendUint64(p.b, v)
		default:
			for ; m != 0; m &= m - 1 {
				p.b = append(p.b, byte(v>>(8*bits.TrailingZeros8(m))))
			}
		}
	}
}

// Apply stores a patch that came from the other side. Parts of it that are not shared here any more are
// passed over. Words change at once, not byte by byte.
func (s *Set) Apply(offset uint64, patch []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if offset%granule != 0 || offset > uint64(len(s.region)) {
		return fmt.Errorf("apply patch at %#x: not in the region", offset)
	}
	le := binary.LittleEndian
	for len(patch) > 0 {
		if len(patch) < entryHeader {
			return fmt.Errorf("apply patch: cut short")
		}
		at, mask := offset+uint64(le.Uint32(patch))*granule, le.Uint64(patch[4:])
		n := entryHeader + bits.OnesCount64(mask)
		if len(patch) < n {
			return fmt.Errorf("apply patch: cut short")
		}
		s.store(at, mask, patch[entryHeader:n])
		patch = patch[n:]
	}
	return nil
}

// store changes the bytes of one granule that mask tells. The caller holds mu.
func (s *Set) store(at, mask uint64, changed []byte) {
	i := s.after(at)
	if i == 0 || at >= s.parts[i-1].end() {
		return
	}
	p := s.parts[i-1]
	memory, twin := s.region[at:at+granule], p.twin[at-p.offset:]
	for i := 0; i < granule; i += 8 {
		m := byte(mask >> i)
		if m == 0 {
			continue
		}
		var v, keep uint64 = 0, ^uint64(0)
		for ; m != 0; m &= m - 1 {
			shift := 8 * bits.TrailingZeros8(m)
			v |= uint64(changed[0]) << shift
			keep &^= 0xff << shift
			changed = changed[1:]
		}
		// Bytes beside the changed ones may be changing by another's hand.
		for word := word(memory, i); ; {
			old := atomic.LoadUint64(word)
			if atomic.CompareAndSwapUint64(word, old, old&keep|v) {
				break
			}
		}
		*word(twin, i) = *word(twin, i)&keep | v
	}
}

func word(b []byte, at int) *uint64 { return (*uint64)(unsafe.Pointer(&b[at : at+8][0])) }

// different has a bit for each byte in which a and b differ.
func different(a, b uint64) uint64 {
	x := a ^ b
	if x == 0 {
		return 0
	}
	const low = 0x7f7f7f7f7f7f7f7f
	high := ((x & low) + low | x) &^ low // the top bit of each byte that is not 0
	return (high >> 7) * 0x0102040810204080 >> 56
}
