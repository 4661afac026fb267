// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math/bits"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// unsigned is what integers of a width are computed as.
type unsigned interface{ uint16 | uint32 | uint64 }

func execAdd[T unsigned](w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = uint64(T(a[i]) + T(b[i]))
	}
	w.commit(in)
}

func execSub[T unsigned](w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = uint64(T(a[i]) - T(b[i]))
	}
	w.commit(in)
}

func execMul[T unsigned](w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = uint64(T(a[i]) * T(b[i]))
	}
	w.commit(in)
}

func execMad[T unsigned](w *warp, in *instr) {
	d, a, b, c := w.dst(in), &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	for i := range d {
		d[i] = uint64(T(a[i])*T(b[i]) + T(c[i]))
	}
	w.commit(in)
}

// execMulWide multiplies narrow integers N into wide ones W; execMadWide adds to the product.
func execMulWide[N int16 | uint16 | int32 | uint32, W uint32 | uint64](w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = uint64(W(N(a[i])) * W(N(b[i])))
	}
	w.commit(in)
}

func execMadWide[N int16 | uint16 | int32 | uint32, W uint32 | uint64](w *warp, in *instr) {
	d, a, b, c := w.dst(in), &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	for i := range d {
		d[i] = uint64(W(N(a[i]))*W(N(b[i])) + W(c[i]))
	}
	w.commit(in)
}

// sized picks the form of an instruction for an integer type.
func (c *compiler) sized(t ptx.Type, f16, f32, f64 func(*warp, *instr)) func(*warp, *instr) {
	switch t.Size() {
	case 2:
		return f16
	case 4:
		return f32
	case 8:
		return f64
	}
	c.unsupported()
	return nil
}

// extend turns the bits of a value of type t into a signed or unsigned 64-bit integer.
func extend(v uint64, t ptx.Type) uint64 {
	switch t {
	case ptx.S8:
		return uint64(int8(v))
	case ptx.S16:
		return uint64(int16(v))
	case ptx.S32:
		return uint64(int32(v))
	}
	return v & typeMask(t)
}

// emit1, emit2 and emit3 add an instruction that computes lane by lane, its operands all of type t.
func (c *compiler) emit1(t ptx.Type, f func(a uint64) uint64) {
	c.arity(2)
	c.add(instr{exec: exec1, f1: f, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t)})
}

func (c *compiler) emit2(t ptx.Type, f func(a, b uint64) uint64) {
	c.arity(3)
	c.add(instr{exec: exec2, f2: f, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t)})
}

func (c *compiler) emit3(t ptx.Type, f func(a, b, c uint64) uint64) {
	c.arity(4)
	c.add(instr{exec: exec3, f3: f, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t),
		c: c.value(c.operand(3), t)})
}

// fast2 and fast3 add an instruction with an exec of its own, its operands all of type t.
func (c *compiler) fast2(t ptx.Type, exec func(*warp, *instr)) {
	c.arity(3)
	c.add(instr{exec: exec, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t)})
}

func (c *compiler) fast3(t ptx.Type, exec func(*warp, *instr)) {
	c.arity(4)
	c.add(instr{exec: exec, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t),
		c: c.value(c.operand(3), t)})
}

func integerAdd(c *compiler, m *mods, t ptx.Type) {
	switch {
	case m.has("sat"):
		if t != ptx.S32 {
			c.unsupported()
		}
		c.emit2(t, func(a, b uint64) uint64 { return saturate(int64(int32(a)) + int64(int32(b))) })
	default:
		c.fast2(t, c.sized(t, execAdd[uint16], execAdd[uint32], execAdd[uint64]))
	}
}

func integerSub(c *compiler, m *mods, t ptx.Type) {
	if m.has("sat") {
		if t != ptx.S32 {
			c.unsupported()
		}
		c.emit2(t, func(a, b uint64) uint64 { return saturate(int64(int32(a)) - int64(int32(b))) })
		return
	}
	c.fast2(t, c.sized(t, execSub[uint16], execSub[uint32], execSub[uint64]))
}

// saturate clamps to a signed 32-bit integer.
func saturate(v int64) uint64 {
	return uint64(uint32(max(-1<<31, min(v, 1<<31-1))))
}

// mulHigh returns the high half of a product of integers of type t.
func mulHigh(t ptx.Type) func(a, b uint64) uint64 {
	mask, size := typeMask(t), uint(t.Size()*8)
	switch {
	case t == ptx.S64:
		return func(a, b uint64) uint64 {
			hi, _ := bits.Mul64(a, b)
			return hi - uint64(int64(a)>>63)&b - uint64(int64(b)>>63)&a
		}
	case size == 64:
		return func(a, b uint64) uint64 { hi, _ := bits.Mul64(a, b); return hi }
	case t.Signed():
		return func(a, b uint64) uint64 { return uint64(int64(extend(a, t))*int64(extend(b, t))>>size) & mask }
	}
	return func(a, b uint64) uint64 { return a * b >> size }
}

func integerMul(c *compiler, m *mods, t ptx.Type) {
	switch m.one("wide", "hi", "lo") {
	case "wide":
		exec, ok := map[ptx.Type]func(*warp, *instr){ptx.S16: execMulWide[int16, uint32], ptx.U16: execMulWide[uint16, uint32],
			ptx.S32: execMulWide[int32, uint64], ptx.U32: execMulWide[uint32, uint64]}[t]
		if !ok {
			c.unsupported()
		}
		c.fast2(t, exec)
	case "hi":
		c.emit2(t, mulHigh(t))
	case "lo":
		c.fast2(t, c.sized(t, execMul[uint16], execMul[uint32], execMul[uint64]))
	default:
		c.unsupported()
	}
}

func integerMad(c *compiler, m *mods, t ptx.Type) {
	switch m.one("wide", "hi", "lo") {
	case "wide":
		exec, ok := map[ptx.Type]func(*warp, *instr){ptx.S16: execMadWide[int16, uint32], ptx.U16: execMadWide[uint16, uint32],
			ptx.S32: execMadWide[int32, uint64], ptx.U32: execMadWide[uint32, uint64]}[t]
		wide, okWide := map[ptx.Type]ptx.Type{ptx.S16: ptx.S32, ptx.U16: ptx.U32, ptx.S32: ptx.S64, ptx.U32: ptx.U64}[t]
		if !ok || !okWide {
			c.unsupported()
		}
		c.arity(4)
		c.add(instr{exec: exec, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t),
			c: c.value(c.operand(3), wide)})
	case "hi":
		high, mask := mulHigh(t), typeMask(t)
		if m.has("sat") {
			if t != ptx.S32 {
				c.unsupported()
			}
			c.emit3(t, func(a, b, d uint64) uint64 { return saturate(int64(int32(high(a, b))) + int64(int32(d))) })
			return
		}
		c.emit3(t, func(a, b, d uint64) uint64 { return (high(a, b) + d) & mask })
	case "lo":
		c.fast3(t, c.sized(t, execMad[uint16], execMad[uint32], execMad[uint64]))
	default:
		c.unsupported()
	}
}

// mul24 is the product of 24-bit integers, its low or high 32 of 48 bits.
func mul24(hi, signed bool) func(a, b uint64) uint64 {
	return func(a, b uint64) uint64 {
		p := (a & 0xffffff) * (b & 0xffffff)
		if signed {
			p = uint64((int64(a<<40) >> 40) * (int64(b<<40) >> 40))
		}
		if hi {
			return uint64(uint32(p >> 16))
		}
		return uint64(uint32(p))
	}
}

func translateMul24(c *compiler, m *mods) {
	t := m.typ()
	c.emit2(t, mul24(m.one("hi", "lo") == "hi", t.Signed()))
}

func translateMad24(c *compiler, m *mods) {
	t := m.typ()
	hi := m.one("hi", "lo") == "hi"
	if m.has("sat") {
		c.unsupported()
	}
	f := mul24(hi, t.Signed())
	c.emit3(t, func(a, b, d uint64) uint64 { return uint64(uint32(f(a, b) + d)) })
}

// divide and remainder never fail: what the hardware returns for zero is all ones, and the dividend.
func divide(t ptx.Type) func(a, b uint64) uint64 {
	mask := typeMask(t)
	if !t.Signed() {
		return func(a, b uint64) uint64 {
			if b == 0 {
				return mask
			}
			return a / b
		}
	}
	return func(a, b uint64) uint64 {
		x, y := int64(extend(a, t)), int64(extend(b, t))
		if y == 0 {
			return mask
		}
		return uint64(x/y) & mask
	}
}

func remainder(t ptx.Type) func(a, b uint64) uint64 {
	mask := typeMask(t)
	if !t.Signed() {
		return func(a, b uint64) uint64 {
			if b == 0 {
				return a
			}
			return a % b
		}
	}
	return func(a, b uint64) uint64 {
		x, y := int64(extend(a, t)), int64(extend(b, t))
		if y == 0 {
			return a
		}
		return uint64(x%y) & mask
	}
}

func translateRem(c *compiler, m *mods) {
	t := m.typ()
	c.emit2(t, remainder(t))
}

func translateSad(c *compiler, m *mods) {
	t := m.typ()
	mask := typeMask(t)
	c.emit3(t, func(a, b, d uint64) uint64 {
		var diff uint64
		if t.Signed() {
			if x, y := int64(extend(a, t)), int64(extend(b, t)); x > y {
				diff = uint64(x - y)
			} else {
				diff = uint64(y - x)
			}
		} else {
			diff = max(a, b) - min(a, b)
		}
		return (diff + d) & mask
	})
}

func integerMinMax(c *compiler, m *mods, t ptx.Type, largest bool) {
	relu := m.has("relu")
	if t == ptx.NoType {
		c.unsupported()
	}
	mask := typeMask(t)
	pick := func(a, b uint64) uint64 {
		less := a < b
		if t.Signed() {
			less = int64(extend(a, t)) < int64(extend(b, t))
		}
		if less == largest {
			return b
		}
		return a
	}
	if relu {
		if t != ptx.S32 {
			c.unsupported()
		}
		c.emit2(t, func(a, b uint64) uint64 {
			if v := pick(a, b); int32(v) > 0 {
				return v & mask
			}
			return 0
		})
		return
	}
	c.emit2(t, pick)
}

func integerAbs(c *compiler, t ptx.Type) {
	mask := typeMask(t)
	c.emit1(t, func(a uint64) uint64 {
		if v := int64(extend(a, t)); v < 0 {
			return uint64(-v) & mask
		}
		return a & mask
	})
}

// Carry chains. The carry is one bit a lane, in a predicate that no other instruction names.
const carrySlot = "%carry"

func translateCarry(subtract, carryIn bool) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		t := m.typ()
		out := carryIn && m.has("cc") || !carryIn && m.has("cc")
		c.arity(3)
		in := instr{exec: execCarry, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t),
			n: int32(t.Size() * 8), imm: flags(subtract, carryIn)}
		carry := c.carry()
		if carryIn {
			in.q = carry
		}
		if out {
			in.p = carry
		}
		c.add(in)
	}
}

func flags(subtract, carryIn bool) (f uint64) {
	if subtract {
		f |= 1
	}
	if carryIn {
		f |= 2
	}
	return f
}

func (c *compiler) carry() int32 {
	p, ok := c.preds[carrySlot]
	if !ok {
		p = int32(len(c.preds) + 1)
		c.preds[carrySlot] = p
	}
	return p
}

func execCarry(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	carries := w.preds[in.q]
	var out uint32
	for i := range d {
		if w.mask>>i&1 == 0 {
			continue
		}
		c := uint64(0)
		if in.imm&2 != 0 {
			c = uint64(carries >> i & 1)
		}
		v, next := addSub(a[i], b[i], c, in.imm&1 != 0, uint(in.n))
		d[i] = v
		out |= uint32(next) << i
	}
	if in.p != 0 {
		w.setPred(in.p, out)
	}
}

// addSub adds or subtracts with carry or borrow.
func addSub(a, b, carry uint64, subtract bool, size uint) (v, out uint64) {
	if size == 64 {
		if subtract {
			return bits.Sub64(a, b, carry)
		}
		return bits.Add64(a, b, carry)
	}
	if subtract {
		v = a - b - carry
	} else {
		v = a + b + carry
	}
	return uint64(uint32(v)), v >> 32 & 1
}

// translateMadCarry is mad.cc and madc: a product's half plus c, with carry in and out.
func translateMadCarry(carryIn bool) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		t := m.typ()
		c.arity(4)
		product := c.newReg(t)
		half := m.one("hi", "lo")
		a, b := c.value(c.operand(1), t), c.value(c.operand(2), t)
		switch half {
		case "hi":
			c.add(instr{exec: exec2, f2: mulHigh(t), d: product, a: a, b: b})
		case "lo":
			c.add(instr{exec: c.sized(t, execMul[uint16], execMul[uint32], execMul[uint64]), d: product, a: a, b: b})
		default:
			c.unsupported()
		}
		in := instr{exec: execCarry, d: c.dest(c.operand(0)), a: product, b: c.value(c.operand(3), t),
			n: int32(t.Size() * 8), imm: flags(false, carryIn)}
		if carryIn {
			in.q = c.carry()
		}
		if m.has("cc") {
			in.p = c.carry()
		}
		c.add(in)
	}
}
