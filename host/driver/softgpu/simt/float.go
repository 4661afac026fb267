// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

func f32(v uint64) float32    { return math.Float32frombits(uint32(v)) }
func bits32(v float32) uint64 { return uint64(math.Float32bits(v)) }
func f64(v uint64) float64    { return math.Float64frombits(v) }
func bits64(v float64) uint64 { return math.Float64bits(v) }

func execAddF32(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = bits32(f32(a[i]) + f32(b[i]))
	}
	w.commit(in)
}

func execSubF32(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = bits32(f32(a[i]) - f32(b[i]))
	}
	w.commit(in)
}

func execMulF32(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = bits32(f32(a[i]) * f32(b[i]))
	}
	w.commit(in)
}

// fma32 is a fused multiply-add. The product is exact in 53 bits. Rounding the sum twice is wrong only where
// the first rounding ended half-way between two float32, or where float32 has fewer bits.
func fma32(x, y, z float32) float32 {
	s := float64(x)*float64(y) + float64(z)
	if doubtful(s) {
		s = fmaOdd(float64(x), float64(y), float64(z))
	}
	return float32(s)
}

func doubtful(s float64) bool {
	v := math.Float64bits(s)
	return v&(1<<29-1) == 1<<28 || v>>52&0x7ff < 1023-125
}

//go:noinline
func fma32Doubtful(x, y, z float32) float32 {
	return float32(fmaOdd(float64(x), float64(y), float64(z)))
}

func execFmaF32(w *warp, in *instr) {
	d, a, b, c := w.dst(in), &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	for i := range d {
		x, y, z := f32(a[i]), f32(b[i]), f32(c[i])
		s := float64(x)*float64(y) + float64(z) // as fma32, which is not inlined
		if r := float32(s); !doubtful(s) {
			d[i] = bits32(r)
		} else {
			d[i] = bits32(fma32Doubtful(x, y, z))
		}
	}
	w.commit(in)
}

func execAddF64(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = bits64(f64(a[i]) + f64(b[i]))
	}
	w.commit(in)
}

func execSubF64(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = bits64(f64(a[i]) - f64(b[i]))
	}
	w.commit(in)
}

func execMulF64(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = bits64(f64(a[i]) * f64(b[i]))
	}
	w.commit(in)
}

func execFmaF64(w *warp, in *instr) {
	d, a, b, c := w.dst(in), &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	for i := range d {
		d[i] = bits64(math.FMA(f64(a[i]), f64(b[i]), f64(c[i])))
	}
	w.commit(in)
}

// floatMods are the modifiers of floating-point arithmetic.
type floatMods struct {
	mode           rounding
	ftz, sat, relu bool
}

func (m *mods) float() floatMods {
	f := floatMods{mode: roundings[m.one("rn", "rz", "rm", "rp")], ftz: m.has("ftz"), sat: m.has("sat"), relu: m.has("relu")}
	m.ignore("approx", "full")
	return f
}

func (f floatMods) plain() bool { return f == floatMods{} }

// flushed says whether the instruction is that of a float32 which differs from the plain one in that it
// flushes subnormals, as -use_fast_math makes it.
func (f floatMods) flushed(t ptx.Type) bool { return t == ptx.F32 && f == floatMods{ftz: true} }

func flush32(v uint64) uint64 {
	if v&0x7f800000 == 0 {
		return v & 0x80000000
	}
	return v
}

func flushed(x float32) uint64 { return flush32(bits32(x)) }

// flush turns a subnormal into a zero of its sign.
func flush(v uint64, t ptx.Type) uint64 {
	if t == ptx.F32 {
		return flush32(v)
	}
	if v&0x7c00 == 0 {
		return v & 0x8000
	}
	return v
}

// number is how a floating-point type is computed with: values are float64, rounded to odd.
type number struct {
	t     ptx.Type
	load  func(uint64) float64
	store func(float64, rounding) uint64
}

func (c *compiler) number(t ptx.Type) number {
	f, ok := formats[t]
	if !ok {
		c.unsupported()
	}
	return number{t, f.load, f.store}
}

func (f floatMods) finish(n number, v uint64) uint64 {
	if f.ftz {
		v = flush(v, n.t)
	}
	if f.sat {
		switch x := n.load(v); {
		case x > 1:
			v = n.store(1, nearest)
		case !(x > 0):
			v = 0
		}
	}
	if f.relu {
		if x := n.load(v); x < 0 || v == n.store(math.Copysign(0, -1), nearest) {
			v = 0
		}
	}
	return v
}

// arith3 adds a floating-point instruction of two or three operands that is computed by way of float64.
func (c *compiler) arith(t ptx.Type, f floatMods, operands int, compute func(a, b, c float64) float64) {
	n := c.number(t)
	one := func(a, b, d uint64) uint64 {
		if f.ftz {
			a, b, d = flush(a, t), flush(b, t), flush(d, t)
		}
		return f.finish(n, n.store(compute(n.load(a), n.load(b), n.load(d)), f.mode))
	}
	g := one
	if t == ptx.F16x2 || t == ptx.BF16x2 {
		g = func(a, b, d uint64) uint64 {
			return one(a&0xffff, b&0xffff, d&0xffff) | one(a>>16, b>>16, d>>16)<<16
		}
	}
	switch operands {
	case 1:
		c.emit1(t, func(a uint64) uint64 { return g(a, 0, 0) })
	case 2:
		c.emit2(t, func(a, b uint64) uint64 { return g(a, b, 0) })
	case 3:
		c.emit3(t, g)
	}
}

// double64 adds a float64 instruction in a directed rounding mode, from a result and its error.
func (c *compiler) double64(mode rounding, compute func(a, b float64) (v, err float64)) {
	c.emit2(ptx.F64, func(a, b uint64) uint64 {
		x, y := f64(a), f64(b)
		v, err := compute(x, y)
		if math.IsInf(v, 0) && x-x == 0 && y-y == 0 && (y != 0 || v-v == 0) {
			return bits64(overflow(v, mode))
		}
		return bits64(round64(v, err, mode))
	})
}

func translateAdd(c *compiler, m *mods) {
	t := m.typ()
	if m.has("cc") {
		m.left = append(m.left, t.String(), "cc")
		translateCarry(false, false)(c, m)
		return
	}
	if !t.Float() {
		integerAdd(c, m, t)
		return
	}
	f := m.float()
	switch {
	case t == ptx.F32 && f.plain():
		c.fast2(t, execAddF32)
	case f.flushed(t):
		c.emit2(t, func(a, b uint64) uint64 { return flushed(f32(flush32(a)) + f32(flush32(b))) })
	case t == ptx.F64 && f.mode == nearest:
		c.fast2(t, execAddF64)
	case t == ptx.F64:
		c.double64(f.mode, func(a, b float64) (float64, float64) {
			s := a + b
			u := s - a
			return zeroDown(s, a, b, f.mode), (a - (s - u)) + (b - u)
		})
	default:
		c.arith(t, f, 2, func(a, b, _ float64) float64 { return zeroDown(addOdd(a, b), a, b, f.mode) })
	}
}

func translateSub(c *compiler, m *mods) {
	t := m.typ()
	if m.has("cc") {
		m.left = append(m.left, t.String(), "cc")
		translateCarry(true, false)(c, m)
		return
	}
	if !t.Float() {
		integerSub(c, m, t)
		return
	}
	f := m.float()
	switch {
	case t == ptx.F32 && f.plain():
		c.fast2(t, execSubF32)
	case f.flushed(t):
		c.emit2(t, func(a, b uint64) uint64 { return flushed(f32(flush32(a)) - f32(flush32(b))) })
	case t == ptx.F64 && f.mode == nearest:
		c.fast2(t, execSubF64)
	case t == ptx.F64:
		c.double64(f.mode, func(a, b float64) (float64, float64) {
			s := a - b
			u := s - a
			return zeroDown(s, a, -b, f.mode), (a - (s - u)) + (-b - u)
		})
	default:
		c.arith(t, f, 2, func(a, b, _ float64) float64 { return zeroDown(addOdd(a, -b), a, -b, f.mode) })
	}
}

func translateMul(c *compiler, m *mods) {
	t := m.typ()
	if !t.Float() {
		integerMul(c, m, t)
		return
	}
	f := m.float()
	switch {
	case t == ptx.F32 && f.plain():
		c.fast2(t, execMulF32)
	case f.flushed(t):
		c.emit2(t, func(a, b uint64) uint64 { return flushed(f32(flush32(a)) * f32(flush32(b))) })
	case t == ptx.F64 && f.mode == nearest:
		c.fast2(t, execMulF64)
	case t == ptx.F64:
		c.double64(f.mode, func(a, b float64) (float64, float64) {
			p := a * b
			return p, residue(a, b, p)
		})
	default:
		c.arith(t, f, 2, func(a, b, _ float64) float64 { return mulOdd(a, b) })
	}
}

func translateFma(c *compiler, m *mods) {
	t := m.typ()
	if !t.Float() {
		if m.has("cc") {
			m.left = append(m.left, t.String(), "cc")
			translateMadCarry(false)(c, m)
			return
		}
		integerMad(c, m, t)
		return
	}
	f := m.float()
	switch {
	case t == ptx.F32 && f.plain():
		c.fast3(t, execFmaF32)
	case f.flushed(t):
		c.emit3(t, func(a, b, d uint64) uint64 { return flushed(fma32(f32(flush32(a)), f32(flush32(b)), f32(flush32(d)))) })
	case t == ptx.F64 && f.mode == nearest:
		c.fast3(t, execFmaF64)
	case t == ptx.F64:
		c.emit3(t, func(a, b, d uint64) uint64 { return bits64(fma64(f64(a), f64(b), f64(d), f.mode)) })
	default:
		c.arith(t, f, 3, func(a, b, d float64) float64 {
			p := float64(a * b) // exact
			return zeroDown(addOdd(p, d), p, d, f.mode)
		})
	}
}

func translateDiv(c *compiler, m *mods) {
	t := m.typ()
	if !t.Float() {
		c.emit2(t, divide(t))
		return
	}
	f := m.float()
	switch {
	case t == ptx.F32 && f.plain():
		c.emit2(t, func(a, b uint64) uint64 { return bits32(f32(a) / f32(b)) })
	case f.flushed(t):
		c.emit2(t, func(a, b uint64) uint64 { return flushed(f32(flush32(a)) / f32(flush32(b))) })
	case t == ptx.F64:
		c.double64(f.mode, func(a, b float64) (float64, float64) {
			q := a / b
			if b == 0 {
				return q, 0
			}
			r := -residue(q, b, a)
			if b < 0 {
				r = -r
			}
			return q, r
		})
	default:
		c.arith(t, f, 2, func(a, b, _ float64) float64 { return divOdd(a, b) })
	}
}

// unary translates a function of one floating-point operand.
func unary(compute func(float64) float64) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		t := m.typ()
		f := m.float()
		if t == ptx.F64 {
			c.emit1(t, func(a uint64) uint64 { return bits64(compute(f64(a))) })
			return
		}
		c.arith(t, f, 1, func(a, _, _ float64) float64 { return compute(a) })
	}
}

func translateSqrt(c *compiler, m *mods) {
	t := m.typ()
	f := m.float()
	if t == ptx.F64 {
		c.emit1(t, func(a uint64) uint64 {
			s := math.Sqrt(f64(a))
			return bits64(round64(s, -residue(s, s, f64(a)), f.mode))
		})
		return
	}
	c.arith(t, f, 1, func(a, _, _ float64) float64 { return sqrtOdd(a) })
}

func translateRcp(c *compiler, m *mods) {
	t := m.typ()
	f := m.float()
	if t == ptx.F64 {
		c.emit1(t, func(a uint64) uint64 {
			x := f64(a)
			q := 1 / x
			if math.IsInf(q, 0) && x != 0 {
				return bits64(overflow(q, f.mode))
			}
			r := -residue(q, x, 1)
			if x < 0 {
				r = -r
			}
			return bits64(round64(q, r, f.mode))
		})
		return
	}
	c.arith(t, f, 1, func(a, _, _ float64) float64 { return divOdd(1, a) })
}
