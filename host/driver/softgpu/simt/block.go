// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math/bits"
	"runtime"
	"unsafe"
)

const (
	maxBarriers = 16
	sharedUnit  = 128     // bytes in which shared memory is allocated; kernels may touch the last unit's rest
	patience    = 1 << 10 // spins after which a block may be waiting for one that has not begun
)

// barrierWait is what a split at a barrier of the block waits for.
type barrierWait struct {
	id     int
	count  uint32 // threads, 0 for all that live
	reduce reduction
	pred   uint32 // lanes whose predicate is true
	d, p   int32  // where the reduction goes
}

type reduction uint8

const (
	noReduction reduction = iota
	reducePopc
	reduceAnd
	reduceOr
)

// block is a thread block. It belongs to one goroutine; its warps are used again for one block after another.
type block struct {
	launch  *Launch
	ctaid   [3]uint32
	warps   []*warp
	threads uint32
	shared  []byte
	stack   uint64 // bytes a lane for calls
	running *warp
	spins   int
	arrived [maxBarriers]uint32 // threads counted by barrier.arrive
}

func newBlock(l *Launch) *block {
	b := &block{launch: l, threads: l.Block[0] * l.Block[1] * l.Block[2]}
	b.stack = l.stackBytes()
	b.shared = aligned(l.sharedBytes())
	p := l.program
	stride := (uint64(p.localBytes) + l.stackBytes() + 15) &^ 15
	for i := range (b.threads + 31) / 32 {
		w := &warp{block: b, index: int(i), stride: stride}
		w.file = make([]lanes, p.entry.slots)
		w.pfile = make([]uint32, p.entry.preds)
		w.caches = make([]cacheLine, p.caches)
		w.local = aligned(int(stride * 32))
		w.fillConstants(p.entry, fullMask)
		b.warps = append(b.warps, w)
	}
	return b
}

// aligned returns n bytes aligned to 16.
func aligned(n int) []byte {
	if n == 0 {
		return nil
	}
	words := make([][2]uint64, (n+31)/16)
	p := unsafe.Pointer(&words[0])
	if uintptr(p)&15 != 0 {
		p = unsafe.Add(p, 8)
	}
	return unsafe.Slice((*byte)(p), n)
}

// thread returns the index of a thread in its block.
func (b *block) thread(linear int) [3]uint32 {
	l, s := uint32(linear), b.launch.Block
	return [3]uint32{l % s[0], l / s[0] % s[1], l / s[0] / s[1]}
}

// run executes one block to its end.
func (b *block) run(index uint64) {
	g := b.launch.Grid
	b.ctaid = [3]uint32{uint32(index % uint64(g[0])), uint32(index / uint64(g[0]) % uint64(g[1])),
		uint32(index / uint64(g[0]) / uint64(g[1]))}
	clear(b.shared)
	clear(b.arrived[:])
	b.spins = 0
	for i, w := range b.warps {
		live := uint32(fullMask)
		if rest := b.threads - uint32(i)*32; rest < 32 {
			live = 1<<rest - 1
		}
		w.start(live)
	}
	for {
		ended, ran := 0, false
		for _, w := range b.warps {
			if w.state == ready {
				ran = true
				b.running = w
				freed := w.freed
				w.run()
				if b.launch.stopped.Load() {
					panic(errStopped)
				}
				if w.state == ready && !freed {
					runtime.Gosched() // others may hold what it spins for
				}
			}
			if w.state == done {
				ended++
			}
		}
		if ended == len(b.warps) {
			return
		}
		if b.spins >= patience {
			b.spins = 0
			b.launch.more()
		}
		if !b.release() && !ran && !b.unstick() {
			for _, w := range b.warps {
				if w.state == blocked {
					w.raise(Deadlock, firstLane(w.live), 0, "not all threads come to a barrier")
				}
			}
		}
	}
}

// unstick lets lanes of blocked warps go on that wait for lanes at a barrier.
func (b *block) unstick() bool {
	for _, w := range b.warps {
		if w.state == blocked && w.forceWarpSync() {
			w.state = ready
			return true
		}
	}
	return false
}

// release opens the barriers that are complete and says whether any was.
func (b *block) release() bool {
	var waiting [maxBarriers]uint32 // threads, whole warps counted as 32
	var expected [maxBarriers]uint32
	var lanesAt [maxBarriers]uint32
	alive, any := uint32(0), false
	for _, w := range b.warps {
		alive += uint32(bits.OnesCount32(w.live))
		for i := range lanesAt {
			lanesAt[i] = 0
		}
		for i := range w.splits {
			if s := &w.splits[i]; s.wait == atBlockBar {
				lanesAt[s.bar.id] |= s.mask
				expected[s.bar.id] = max(expected[s.bar.id], s.bar.count)
				any = true
			}
		}
		for id, m := range lanesAt {
			if m != 0 && m == w.live {
				waiting[id] += 32
			} else {
				waiting[id] += uint32(bits.OnesCount32(m))
			}
		}
	}
	if !any {
		return false
	}
	released := false
	for id := range waiting {
		if waiting[id] == 0 {
			continue
		}
		if expected[id] == 0 {
			if b.atBarrier(id) != alive {
				continue
			}
		} else if waiting[id]+b.arrived[id] < expected[id] {
			continue
		}
		b.open(id)
		released = true
	}
	return released
}

func (b *block) atBarrier(id int) (threads uint32) {
	for _, w := range b.warps {
		for i := range w.splits {
			if s := &w.splits[i]; s.wait == atBlockBar && s.bar.id == id {
				threads += uint32(bits.OnesCount32(s.mask))
			}
		}
	}
	return threads + b.arrived[id]
}

// open frees all that wait at a barrier, with the result of its reduction.
func (b *block) open(id int) {
	count, total := uint32(0), uint32(0)
	for _, w := range b.warps {
		for i := range w.splits {
			if s := &w.splits[i]; s.wait == atBlockBar && s.bar.id == id {
				count += uint32(bits.OnesCount32(s.bar.pred & s.mask))
				total += uint32(bits.OnesCount32(s.mask))
			}
		}
	}
	b.arrived[id] = 0
	for _, w := range b.warps {
		for i := range w.splits {
			s := &w.splits[i]
			if s.wait != atBlockBar || s.bar.id != id {
				continue
			}
			s.wait = running
			w.state, w.freed = ready, true
			w.stop()
			w.enter(s.frame)
			w.mask = s.mask
			switch s.bar.reduce {
			case reducePopc:
				broadcast(w, s.bar.d, uint64(count))
			case reduceAnd:
				w.setPred(s.bar.p, allIf(count == total))
			case reduceOr:
				w.setPred(s.bar.p, allIf(count > 0))
			}
		}
	}
}

func allIf(c bool) uint32 {
	if c {
		return fullMask
	}
	return 0
}

// broadcast writes one value to the mask's lanes of a register.
func broadcast(w *warp, slot int32, v uint64) {
	d := &w.regs[slot]
	if w.mask == fullMask {
		for i := range d {
			d[i] = v
		}
		return
	}
	for i := range d {
		if w.mask>>i&1 != 0 {
			d[i] = v
		}
	}
}
