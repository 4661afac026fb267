// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// translateCvt converts between numeric types.
func translateCvt(c *compiler, m *mods) {
	to, from := m.typ(), m.typ()
	if m.has("pack") {
		cvtPack(c, m, to, from)
		return
	}
	roundInt := m.one("rni", "rzi", "rmi", "rpi")
	mode := m.one("rn", "rz", "rm", "rp", "rna")
	f := floatMods{mode: roundings[mode], ftz: m.has("ftz"), sat: m.has("sat"), relu: m.has("relu")}
	if m.has("satfinite") && to != ptx.TF32 && to != ptx.F16 && to != ptx.BF16 && to != ptx.F16x2 && to != ptx.BF16x2 {
		c.unsupported()
	}
	if to == ptx.F16x2 || to == ptx.BF16x2 {
		cvtPair(c, to, from, f)
		return
	}
	c.arity(2)
	d, a := c.dest(c.operand(0)), c.value(c.operand(1), from)
	add := func(g func(uint64) uint64) {
		if to.Signed() { // a wider register gets the sign
			mask := c.width(d)
			h := g
			g = func(v uint64) uint64 { return extend(h(v), to) & mask }
		}
		c.add(instr{exec: exec1, d: d, a: a, f1: g})
	}
	switch {
	case !to.Float() && !from.Float():
		convertInteger(c, to, from, f.sat, d, a, add)
	case !from.Float():
		add(intToFloat(c, to, from, f))
	case !to.Float():
		if roundInt == "" {
			c.unsupported()
		}
		add(floatToInt(c, to, from, roundings[roundInt], f.ftz))
	default:
		add(floatToFloat(c, to, from, roundInt, f))
	}
}

func execExtend[N int8 | uint8 | int16 | uint16 | int32 | uint32 | uint64](w *warp, in *instr) {
	d, a := w.dst(in), &w.regs[in.a]
	for i := range d {
		d[i] = uint64(N(a[i])) & in.imm
	}
	w.commit(in)
}

func convertInteger(c *compiler, to, from ptx.Type, sat bool, d, a int32, add func(func(uint64) uint64)) {
	if !sat {
		narrow := from
		if to.Size() < from.Size() {
			narrow = to
		}
		exec := map[ptx.Type]func(*warp, *instr){ptx.S8: execExtend[int8], ptx.U8: execExtend[uint8], ptx.S16: execExtend[int16],
			ptx.U16: execExtend[uint16], ptx.S32: execExtend[int32], ptx.U32: execExtend[uint32], ptx.S64: execExtend[uint64],
			ptx.U64: execExtend[uint64]}[narrow]
		if exec == nil {
			c.unsupported()
		}
		mask := typeMask(to)
		if to.Signed() {
			mask = c.width(d)
		}
		if !narrow.Signed() || !to.Signed() {
			mask &= typeMask(to)
		}
		c.add(instr{exec: exec, d: d, a: a, imm: mask})
		return
	}
	size := uint(to.Size() * 8)
	add(func(v uint64) uint64 {
		x := extend(v, from)
		if from.Signed() {
			lo, hi := int64(0), int64(math.MaxInt64)
			if to.Signed() {
				lo, hi = -1<<(size-1), 1<<(size-1)-1
			} else if size < 64 {
				hi = 1<<size - 1
			}
			return uint64(min(max(int64(x), lo), hi)) & typeMask(to)
		}
		limit := typeMask(to)
		if to.Signed() {
			limit >>= 1
		}
		return min(x, limit)
	})
}

// oddFromInt is an integer rounded to odd.
func oddFromInt(v uint64, signed bool) float64 {
	if signed && int64(v) < 0 {
		return -oddFromInt(-v, false)
	}
	x := float64(v)
	if x >= 0x1p64 {
		return odd(x, -1)
	}
	switch back := uint64(x); {
	case back < v:
		return odd(x, 1)
	case back > v:
		return odd(x, -1)
	}
	return x
}

func intToFloat(c *compiler, to, from ptx.Type, f floatMods) func(uint64) uint64 {
	signed := from.Signed()
	if to == ptx.F64 {
		return func(v uint64) uint64 {
			v = extend(v, from)
			x, err := float64(v), 0.0
			if signed {
				x = float64(int64(v))
			}
			if f.mode != nearest {
				exact := oddFromInt(v, signed)
				if exact != x || math.Float64bits(x)&1 != 0 {
					err = compareInt(v, signed, x)
				}
			}
			return bits64(round64(x, err, f.mode))
		}
	}
	if to == ptx.F32 && f.plain() {
		if signed && from != ptx.S64 {
			return func(v uint64) uint64 { return bits32(float32(int64(extend(v, from)))) }
		}
	}
	n := c.number(to)
	return func(v uint64) uint64 { return f.finish(n, n.store(oddFromInt(extend(v, from), signed), f.mode)) }
}

// compareInt is the sign of v - x.
func compareInt(v uint64, signed bool, x float64) float64 {
	if signed {
		if x >= 0x1p63 || int64(v) < int64(x) {
			return -1
		}
		return map[bool]float64{true: 1}[int64(v) > int64(x)]
	}
	if x >= 0x1p64 || v < uint64(x) {
		return -1
	}
	return map[bool]float64{true: 1}[v > uint64(x)]
}

func roundToInt(x float64, mode rounding) float64 {
	switch mode {
	case toZero:
		return math.Trunc(x)
	case down:
		return math.Floor(x)
	case up:
		return math.Ceil(x)
	}
	return math.RoundToEven(x)
}

// loadAny returns how to read a floating-point type as float64.
func (c *compiler) loadAny(t ptx.Type) func(uint64) float64 {
	if t == ptx.F64 {
		return f64
	}
	return c.number(t).load
}

func floatToInt(c *compiler, to, from ptx.Type, mode rounding, ftz bool) func(uint64) uint64 {
	load := c.loadAny(from)
	size := to.Size() * 8
	lo, hi := 0.0, math.Ldexp(1, size)
	least, most := uint64(0), typeMask(to)
	if to.Signed() {
		lo, hi = -math.Ldexp(1, size-1), math.Ldexp(1, size-1)
		least, most = 1<<(size-1), typeMask(to)>>1
	}
	notNumber := uint64(0)
	if size == 64 {
		notNumber = 1 << 63
	}
	return func(v uint64) uint64 {
		if ftz {
			v = flush(v, from)
		}
		x := roundToInt(load(v), mode)
		switch {
		case x != x:
			return notNumber
		case x < lo:
			return least
		case x >= hi:
			return most
		case to.Signed():
			return uint64(int64(x)) & typeMask(to)
		}
		return uint64(x)
	}
}

func floatToFloat(c *compiler, to, from ptx.Type, roundInt string, f floatMods) func(uint64) uint64 {
	if to == ptx.TF32 {
		return func(v uint64) uint64 { return tf32(v, f.mode) }
	}
	load := c.loadAny(from)
	get := func(v uint64) float64 {
		if f.ftz && from != ptx.F64 {
			v = flush(v, from)
		}
		x := load(v)
		if roundInt != "" {
			x = roundToInt(x, roundings[roundInt])
		}
		return x
	}
	if to == ptx.F64 {
		return func(v uint64) uint64 {
			x := get(v)
			if f.sat {
				x = min(max(canonicalZero(x), 0), 1)
			}
			return bits64(x)
		}
	}
	n := c.number(to)
	return func(v uint64) uint64 { return f.finish(n, n.store(get(v), f.mode)) }
}

func canonicalZero(x float64) float64 {
	if x != x {
		return 0
	}
	return x
}

// tf32 rounds a float32 to 10 bits of mantissa.
func tf32(v uint64, mode rounding) uint64 {
	if v&0x7f800000 == 0x7f800000 {
		return v
	}
	if mode == away {
		return (v + 1<<12) &^ (1<<13 - 1) & 0xffffffff
	}
	if mode == toZero {
		return v &^ (1<<13 - 1)
	}
	return (v + 1<<12 - 1 + v>>13&1) &^ (1<<13 - 1) & 0xffffffff
}

// cvtPair packs two float32 into two halves.
func cvtPair(c *compiler, to, from ptx.Type, f floatMods) {
	if from != ptx.F32 {
		c.unsupported()
	}
	n := c.number(to)
	c.arity(3)
	half := func(v uint64) uint64 { return f.finish(n, n.store(float64(f32(v)), f.mode)) }
	c.add(instr{exec: exec2, d: c.dest(c.operand(0)), a: c.value(c.operand(1), from), b: c.value(c.operand(2), from),
		f2: func(hi, lo uint64) uint64 { return half(hi)<<16 | half(lo) }})
}

// cvtPack is cvt.pack.sat of two 32-bit integers.
func cvtPack(c *compiler, m *mods, to, from ptx.Type) {
	if !m.has("sat") || from != ptx.S32 {
		c.unsupported()
	}
	last := m.typ()
	size := uint(to.Size() * 8)
	clamp := func(v uint64) uint64 {
		if to.Signed() {
			return uint64(min(max(int64(int32(v)), -1<<(size-1)), 1<<(size-1)-1)) & typeMask(to)
		}
		return uint64(min(max(int64(int32(v)), 0), 1<<size-1))
	}
	if last == ptx.NoType {
		c.emit2(from, func(a, b uint64) uint64 { return clamp(a)<<size | clamp(b) })
		return
	}
	c.emit3(from, func(a, b, d uint64) uint64 { return uint64(uint32(d<<(2*size) | clamp(a)<<size | clamp(b))) })
}
