// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"math/bits"
)

// wait is what a split waits for.
type wait uint8

const (
	running     wait = iota
	atWarpSync       // an instruction that needs lanes of other splits, at pc
	atWarpBar        // bar.warp.sync, pc is after it
	atBlockBar       // a barrier of the block, pc is after it
	noLimit     = math.MaxInt32
	sliceLength = 1 << 16 // instructions that a warp may run before others get their turn
	freedLength = 1 << 4  // the same for its first turn after a barrier
	spinCost    = 1 << 10 // instructions that one that may be a spin loop's counts for
	maxFile     = 1 << 17 // slots of registers that the calls of a warp may take
)

// split is a group of lanes with one program counter.
type split struct {
	pc      int32
	mask    uint32
	frame   *frame
	wait    wait
	members uint32 // the lanes waited for
	bar     barrierWait
}

// frame is one call. Frames are shared by the lanes that made the call together and never change.
type frame struct {
	fn     *function
	parent *frame
	ret    int32 // program counter to return to
	depth  int32
	regs   int // first slot
	preds  int // first predicate
	local  uint64
	call   *callSite
}

type cacheLine struct{ lo, size uint64 }

// warp is 32 threads. It belongs to one goroutine.
type warp struct {
	regs  []lanes // of the frame
	preds []uint32
	mask  uint32 // lanes that the present instruction is for

	pc     int32
	limit  int32 // program counter at which converge is asked
	active uint32
	frame  *frame
	splits []split // all but the running one

	block  *block
	index  int
	freed  bool   // from a barrier, since its last turn
	filled bool   // special registers that each lane has of its own are there
	live   uint32 // lanes that have not ended
	forced uint32 // lanes that others no longer wait for, and that do not wait, once
	state  warpState
	budget int // instructions left in this turn
	turn   int

	tmp    lanes
	addr   lanes
	file   []lanes
	pfile  []uint32
	local  []byte
	stride uint64 // bytes of local memory of a lane
	caches []cacheLine
	root   frame
	count  uint64     // instructions executed
	errors [32]uint32 // cudaGetLastError of each lane
}

type warpState uint8

const (
	ready warpState = iota
	blocked
	done
)

// start makes a warp run from a program's entry with the given lanes.
func (w *warp) start(live uint32) {
	fn := w.block.launch.program.entry
	w.live, w.active, w.pc, w.limit = live, live, fn.entry, noLimit
	w.splits = w.splits[:0]
	w.root = frame{fn: fn}
	w.errors = [32]uint32{}
	w.enter(&w.root)
	w.state = ready
	if live == 0 {
		w.state = done
		return
	}
	w.mask = fullMask
	w.fillSpecials(fn, !w.filled)
	w.filled = true
}

// enter makes a frame's window the current one.
func (w *warp) enter(f *frame) {
	w.frame = f
	w.regs = w.file[f.regs : f.regs+f.fn.slots]
	w.preds = w.pfile[f.preds : f.preds+f.fn.preds]
}

// run executes until the warp waits, ends, or has had its turn. Warps leave a barrier by a short turn each, nearly
// together: programs read shared memory after a barrier and write it again without another, which is a race, but
// one that GPUs decide in their favour.
func (w *warp) run() {
	code := w.block.launch.program.code
	w.budget = sliceLength
	freed := w.freed
	if freed {
		w.budget, w.freed = freedLength, false
	}
	n := 0
	for w.budget > 0 {
		if w.pc >= w.limit && !w.converge() {
			w.count += uint64(n)
			return
		}
		in := &code[w.pc]
		w.pc++
		w.budget--
		n++
		m := w.active
		if in.guard != 0 {
			p := w.preds[in.guard]
			if in.neg {
				p = ^p
			}
			if m &= p; m == 0 {
				continue
			}
		}
		w.mask = m
		in.exec(w, in)
	}
	w.count += uint64(n)
	if len(w.splits) > 0 && w.active != 0 && !freed {
		w.park(running)
		w.rotate()
	}
}

// stop makes run ask converge before the next instruction.
func (w *warp) stop() { w.limit = -1 }

// park turns the running lanes into a split.
func (w *warp) park(why wait) *split {
	w.splits = append(w.splits, split{pc: w.pc, mask: w.active, frame: w.frame, wait: why})
	w.active = 0
	w.stop()
	return &w.splits[len(w.splits)-1]
}

// fork adds a split with lanes taken from the running ones.
func (w *warp) fork(pc int32, mask uint32, f *frame) {
	w.active &^= mask
	w.splits = append(w.splits, split{pc: pc, mask: mask, frame: f})
	w.stop()
}

// converge joins splits that have met and chooses the one to run. It returns false if none can.
func (w *warp) converge() bool {
	if w.active != 0 {
		w.park(running)
	}
	w.join()
	best := -1
	for i := range w.splits {
		s := &w.splits[i]
		if s.wait != running {
			continue
		}
		if best < 0 || s.frame.depth > w.splits[best].frame.depth ||
			s.frame.depth == w.splits[best].frame.depth && s.pc < w.splits[best].pc {
			best = i
		}
	}
	if best < 0 {
		if w.live == 0 {
			w.state = done
			return false
		}
		if w.releaseStuck() {
			return w.converge()
		}
		w.state = blocked
		return false
	}
	w.choose(best)
	return true
}

// choose runs split i until it meets another.
func (w *warp) choose(i int) {
	s := w.splits[i]
	w.splits[i] = w.splits[len(w.splits)-1]
	w.splits = w.splits[:len(w.splits)-1]
	w.pc, w.active = s.pc, s.mask
	if w.frame != s.frame {
		w.enter(s.frame)
	}
	w.limit = noLimit
	for i := range w.splits {
		o := &w.splits[i]
		if o.wait == running && o.pc > w.pc && o.pc < w.limit && sameFrame(o.frame, s.frame) {
			w.limit = o.pc
		}
	}
}

// rotate chooses a split by turns, so that one that spins does not keep the others from running.
func (w *warp) rotate() {
	w.join()
	for range w.splits {
		w.turn++
		if i := w.turn % len(w.splits); w.splits[i].wait == running {
			w.choose(i)
			return
		}
	}
	w.stop()
}

// join merges running splits that are at one place.
func (w *warp) join() {
	for i := 0; i < len(w.splits); i++ {
		s := &w.splits[i]
		if s.wait != running {
			continue
		}
		for j := len(w.splits) - 1; j > i; j-- {
			o := &w.splits[j]
			if o.wait == running && o.pc == s.pc && sameFrame(o.frame, s.frame) {
				s.mask |= o.mask
				w.splits[j] = w.splits[len(w.splits)-1]
				w.splits = w.splits[:len(w.splits)-1]
			}
		}
	}
}

// releaseStuck lets lanes go on that wait for lanes that will never come, which PTX leaves undefined. It
// does so only if no lane waits for the block, which may yet free those waited for.
func (w *warp) releaseStuck() bool {
	for i := range w.splits {
		if w.splits[i].wait == atBlockBar {
			return false
		}
	}
	return w.forceWarpSync()
}

func (w *warp) forceWarpSync() bool {
	for i := range w.splits {
		if s := &w.splits[i]; s.wait == atWarpBar {
			s.wait = running
			return true
		} else if s.wait == atWarpSync {
			s.wait = running
			w.forced |= s.mask
			return true
		}
	}
	return false
}

func sameFrame(a, b *frame) bool {
	for a != b {
		if a.fn != b.fn || a.ret != b.ret || a.depth != b.depth || a.regs != b.regs || a.local != b.local || a.parent == nil || b.parent == nil {
			return false
		}
		a, b = a.parent, b.parent
	}
	return true
}

// together runs f once for each set of lanes that name the same member mask in a slot, which becomes w.mask,
// when all living members have come to this instruction. f is told which members are here. Those whose members
// are elsewhere wait, and begin the instruction again later. Slot 0 stands for the lanes that are here.
//
// That lanes name only others is undefined, but done: lanes that ask for the votes of those below them, say. As
// on GPUs they do not wait, and are told of those that are here.
func (w *warp) together(slot int32, f func(members uint32)) {
	if slot == 0 {
		f(w.mask)
		return
	}
	all, skipped := w.mask, w.active&^w.mask
	masks := w.regs[slot]
	var late uint32
	for left := all; left != 0; {
		members, group := sameMask(&masks, left)
		left &^= group
		if members&w.live&^skipped&^group == 0 || members&group == 0 || w.forced&group != 0 {
			w.forced &^= group
			w.mask = group
			f(members & all)
		} else {
			late |= group
		}
	}
	w.mask = all
	if late == 0 {
		return
	}
	if rest := w.active &^ late; rest != 0 {
		w.fork(w.pc, rest, w.frame)
	}
	w.pc--
	members, group := sameMask(&masks, late)
	if others := late &^ group; others != 0 {
		w.fork(w.pc, others, w.frame)
	}
	for i := 0; i < len(w.splits); i++ {
		if s := &w.splits[i]; s.wait == atWarpSync && s.pc == w.pc && s.members == members && sameFrame(s.frame, w.frame) {
			w.active |= s.mask
			w.splits[i] = w.splits[len(w.splits)-1]
			w.splits = w.splits[:len(w.splits)-1]
			i--
		}
	}
	if members&w.live&^skipped&^w.active == 0 {
		w.stop() // begin again with the lanes that waited here
		return
	}
	w.park(atWarpSync).members = members
}

// sameMask returns the member mask of the first lane and the lanes that name the same.
func sameMask(masks *lanes, of uint32) (members, group uint32) {
	members = uint32(masks[firstLane(of)])
	for i := range masks {
		if of>>i&1 != 0 && uint32(masks[i]) == members {
			group |= 1 << i
		}
	}
	return members, group
}

// spin is told of an instruction that a loop that waits for others may be made of.
func (w *warp) spin() {
	w.budget -= spinCost
	w.block.spins++
}

func firstLane(mask uint32) int { return bits.TrailingZeros32(mask) & 31 }
