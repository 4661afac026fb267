// SPDX-License-Identifier: Apache-2.0

package simt

// lanes is one register: a word for each lane of a warp.
type lanes = [32]uint64

const fullMask = 1<<32 - 1

// instr is a decoded instruction. Register and predicate operands are slots; slot 0 is nobody's, and stands
// for an absent operand.
type instr struct {
	exec  func(*warp, *instr)
	guard int32 // predicate
	neg   bool  // of the guard

	d, a, b, c int32 // one destination and three sources
	p, p2      int32 // destination predicates
	q, q2      int32 // source predicates
	qneg       bool
	n          int32  // a small number that exec knows about
	cache      int32  // of the last memory range seen here
	target     int32  // program counter of a branch
	imm        uint64 // an offset, mask or value that exec knows about

	f1 func(a uint64) uint64
	f2 func(a, b uint64) uint64
	f3 func(a, b, c uint64) uint64

	ds, ss []int32 // destinations and sources of vector instructions
	x      any     // what else exec knows about
}

// dst returns where to compute the destination's lanes: all 32 may be written. commit ends what dst began.
func (w *warp) dst(in *instr) *lanes {
	if w.mask == fullMask {
		return &w.regs[in.d]
	}
	return &w.tmp
}

func (w *warp) commit(in *instr) {
	if w.mask != fullMask {
		w.blend(in.d)
	}
}

func (w *warp) blend(slot int32) {
	d := &w.regs[slot]
	for i := range d {
		if w.mask>>i&1 != 0 {
			d[i] = w.tmp[i]
		}
	}
}

// setPred writes the lanes of the mask of a predicate.
func (w *warp) setPred(slot int32, bits uint32) {
	w.preds[slot] = w.preds[slot]&^w.mask | bits&w.mask
}

// source predicate q, negated if qneg.
func (w *warp) pred(in *instr) uint32 {
	if in.qneg {
		return ^w.preds[in.q]
	}
	return w.preds[in.q]
}

func exec1(w *warp, in *instr) {
	d, a, f := &w.regs[in.d], &w.regs[in.a], in.f1
	for i := range d {
		if w.mask>>i&1 != 0 {
			d[i] = f(a[i])
		}
	}
}

func exec2(w *warp, in *instr) {
	d, a, b, f := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], in.f2
	for i := range d {
		if w.mask>>i&1 != 0 {
			d[i] = f(a[i], b[i])
		}
	}
}

func exec3(w *warp, in *instr) {
	d, a, b, c, f := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c], in.f3
	for i := range d {
		if w.mask>>i&1 != 0 {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}
