// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// comparison operators; those for unordered operands are true if either is no number.
const (
	cmpEq int32 = iota
	cmpNe
	cmpLt
	cmpLe
	cmpGt
	cmpGe
	cmpNum
	cmpNan
	unordered int32 = 8
)

var comparisons = map[string]int32{"eq": cmpEq, "ne": cmpNe, "lt": cmpLt, "le": cmpLe, "gt": cmpGt, "ge": cmpGe,
	"lo": cmpLt, "ls": cmpLe, "hi": cmpGt, "hs": cmpGe, "num": cmpNum, "nan": cmpNan, "equ": cmpEq | unordered,
	"neu": cmpNe | unordered, "ltu": cmpLt | unordered, "leu": cmpLe | unordered, "gtu": cmpGt | unordered,
	"geu": cmpGe | unordered}

func (m *mods) comparison() int32 {
	for name, op := range comparisons {
		if m.has(name) {
			return op
		}
	}
	m.c.unsupported()
	return 0
}

// compareInts returns the lanes for which the comparison holds.
func compareInts[T int16 | uint16 | int32 | uint32 | int64 | uint64](a, b *lanes, op int32) (out uint32) {
	switch op {
	case cmpEq:
		for i := range a {
			out |= bit(T(a[i]) == T(b[i])) << i
		}
	case cmpNe:
		for i := range a {
			out |= bit(T(a[i]) != T(b[i])) << i
		}
	case cmpLt:
		for i := range a {
			out |= bit(T(a[i]) < T(b[i])) << i
		}
	case cmpLe:
		for i := range a {
			out |= bit(T(a[i]) <= T(b[i])) << i
		}
	case cmpGt:
		for i := range a {
			out |= bit(T(a[i]) > T(b[i])) << i
		}
	case cmpGe:
		for i := range a {
			out |= bit(T(a[i]) >= T(b[i])) << i
		}
	}
	return out
}

func bit(c bool) (v uint32) {
	if c {
		v = 1
	}
	return v
}

func compareFloats(x, y float64, op int32) bool {
	if x != x || y != y {
		return op&unordered != 0 || op == cmpNan
	}
	switch op &^ unordered {
	case cmpEq:
		return x == y
	case cmpNe:
		return x != y
	case cmpLt:
		return x < y
	case cmpLe:
		return x <= y
	case cmpGt:
		return x > y
	case cmpGe:
		return x >= y
	}
	return op == cmpNum
}

// comparer compares all lanes of two registers.
type comparer func(a, b *lanes, op int32) uint32

// comparer returns how to compare values of a type. With high set it compares the high halves of pairs.
func (c *compiler) comparer(t ptx.Type, ftz, high bool) comparer {
	switch t {
	case ptx.S16:
		return compareInts[int16]
	case ptx.U16, ptx.B16:
		return compareInts[uint16]
	case ptx.S32:
		return compareInts[int32]
	case ptx.U32, ptx.B32:
		return compareInts[uint32]
	case ptx.S64:
		return compareInts[int64]
	case ptx.U64, ptx.B64:
		return compareInts[uint64]
	}
	load := c.loadAny(t)
	if t == ptx.F32 && !ftz {
		load = func(v uint64) float64 { return float64(math.Float32frombits(uint32(v))) }
	}
	shift := 0
	if high {
		shift = 16
	}
	return func(a, b *lanes, op int32) (out uint32) {
		for i := range a {
			x, y := a[i]>>shift, b[i]>>shift
			if t == ptx.F16x2 || t == ptx.BF16x2 {
				x, y = x&0xffff, y&0xffff
			}
			if ftz {
				x, y = flush(x, t), flush(y, t)
			}
			out |= bit(compareFloats(load(x), load(y), op)) << i
		}
		return out
	}
}

// combiner is how setp and set combine a comparison with a third operand.
func (m *mods) combiner() func(a, b uint32) uint32 {
	switch m.one("and", "or", "xor") {
	case "and":
		return func(a, b uint32) uint32 { return a & b }
	case "or":
		return func(a, b uint32) uint32 { return a | b }
	case "xor":
		return func(a, b uint32) uint32 { return a ^ b }
	}
	return nil
}

// compared is what execSetp and execSet need to know.
type compared struct {
	compare, high comparer
	combine       func(a, b uint32) uint32
	truth         uint64 // set: the value for true
}

func translateSetp(c *compiler, m *mods) {
	t := m.typ()
	op, combine, ftz := m.comparison(), m.combiner(), m.has("ftz")
	x := &compared{compare: c.comparer(t, ftz, false), combine: combine}
	d := c.operand(0)
	in := instr{exec: execSetp, a: c.value(c.operand(1), t), b: c.value(c.operand(2), t), n: op, x: x}
	if d.Kind == ptx.Pair {
		in.p, in.p2 = c.destPred(d.Elems[0]), c.destPred(d.Elems[1])
		if t == ptx.F16x2 || t == ptx.BF16x2 {
			x.high = c.comparer(t, ftz, true)
		}
	} else {
		in.p = c.destPred(d)
	}
	if combine != nil {
		c.arity(4)
		in.q, in.qneg = c.sourcePred(c.operand(3))
	} else {
		c.arity(3)
		if in.p2 == 0 {
			switch t {
			case ptx.S32:
				in.exec = execSetpInt[int32]
			case ptx.U32, ptx.B32:
				in.exec = execSetpInt[uint32]
			case ptx.S64:
				in.exec = execSetpInt[int64]
			case ptx.U64, ptx.B64:
				in.exec = execSetpInt[uint64]
			}
		}
	}
	c.add(in)
}

func execSetpInt[T int32 | uint32 | int64 | uint64](w *warp, in *instr) {
	w.setPred(in.p, compareInts[T](&w.regs[in.a], &w.regs[in.b], in.n))
}

func execSetp(w *warp, in *instr) {
	x := in.x.(*compared)
	v := x.compare(&w.regs[in.a], &w.regs[in.b], in.n)
	second := ^v
	if x.high != nil {
		second = x.high(&w.regs[in.a], &w.regs[in.b], in.n)
	}
	if x.combine != nil {
		third := w.pred(in)
		v, second = x.combine(v, third), x.combine(second, third)
	}
	w.setPred(in.p, v)
	if in.p2 != 0 {
		w.setPred(in.p2, second)
	}
}

func translateSet(c *compiler, m *mods) {
	to, from := m.typ(), m.typ()
	op, combine, ftz := m.comparison(), m.combiner(), m.has("ftz")
	x := &compared{compare: c.comparer(from, ftz, false), combine: combine, truth: typeMask(to)}
	switch to {
	case ptx.F32:
		x.truth = bits32(1)
	case ptx.F16, ptx.F16x2:
		x.truth = 0x3c00
	case ptx.BF16, ptx.BF16x2:
		x.truth = 0x3f80
	}
	if from == ptx.F16x2 || from == ptx.BF16x2 {
		x.high = c.comparer(from, ftz, true)
		x.truth &= 0xffff
	}
	in := instr{exec: execSet, d: c.dest(c.operand(0)), a: c.value(c.operand(1), from), b: c.value(c.operand(2), from), n: op, x: x}
	if combine != nil {
		c.arity(4)
		in.q, in.qneg = c.sourcePred(c.operand(3))
	} else {
		c.arity(3)
	}
	c.add(in)
}

func execSet(w *warp, in *instr) {
	x := in.x.(*compared)
	lo, hi := x.compare(&w.regs[in.a], &w.regs[in.b], in.n), uint32(0)
	if x.high != nil {
		hi = x.high(&w.regs[in.a], &w.regs[in.b], in.n)
	}
	if x.combine != nil {
		lo = x.combine(lo, w.pred(in))
		hi = x.combine(hi, w.pred(in))
	}
	d := w.dst(in)
	for i := range d {
		d[i] = uint64(lo>>i&1) * x.truth
		if x.high != nil {
			d[i] |= uint64(hi>>i&1) * x.truth << 16
		}
	}
	w.commit(in)
}

func translateSelp(c *compiler, m *mods) {
	t := m.typ()
	c.arity(4)
	q, neg := c.sourcePred(c.operand(3))
	c.add(instr{exec: execSelp, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t), q: q, qneg: neg})
}

func execSelp(w *warp, in *instr) {
	d, a, b, p := w.dst(in), &w.regs[in.a], &w.regs[in.b], w.pred(in)
	for i := range d {
		v := b[i]
		if p>>i&1 != 0 {
			v = a[i]
		}
		d[i] = v
	}
	w.commit(in)
}

// translateSlct picks by the sign of its last operand.
func translateSlct(c *compiler, m *mods) {
	t, by := m.typ(), m.typ()
	ftz := m.has("ftz")
	c.arity(4)
	c.add(instr{exec: exec3, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t),
		c: c.value(c.operand(3), by), f3: func(a, b, s uint64) uint64 {
			positive := int32(s) >= 0
			if by == ptx.F32 {
				if ftz {
					s = flush(s, by)
				}
				positive = f32(s) >= 0
			}
			if positive {
				return a
			}
			return b
		}})
}
