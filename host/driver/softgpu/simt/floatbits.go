// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// signBits translates abs, neg and their like, which change signs only.
func signBits(integer func(*compiler, ptx.Type), float func(v, sign uint64) uint64) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		t := m.typ()
		if !t.Float() {
			integer(c, t)
			return
		}
		ftz := m.has("ftz")
		sign := uint64(1) << (t.Size()*8 - 1)
		if t == ptx.F16x2 || t == ptx.BF16x2 {
			sign = 0x80008000
		}
		c.emit1(t, func(a uint64) uint64 {
			if ftz && t == ptx.F32 {
				a = flush(a, t)
			}
			return float(a, sign)
		})
	}
}

func translateCopysign(c *compiler, m *mods) {
	t := m.typ()
	sign := uint64(1) << (t.Size()*8 - 1)
	c.emit2(t, func(a, b uint64) uint64 { return a&sign | b&^sign })
}

func translateTestp(c *compiler, m *mods) {
	test := m.one("finite", "infinite", "number", "notanumber", "normal", "subnormal")
	t := m.typ()
	c.arity(2)
	smallest := 0x1p-126
	if t == ptx.F64 {
		smallest = 0x1p-1022
	}
	c.add(instr{exec: execTest, p: c.destPred(c.operand(0)), a: c.value(c.operand(1), t), x: func(v uint64) bool {
		x := f64(v)
		if t == ptx.F32 {
			x = float64(f32(v))
		}
		switch test {
		case "finite":
			return x-x == 0
		case "infinite":
			return math.IsInf(x, 0)
		case "number":
			return x == x
		case "notanumber":
			return x != x
		case "normal":
			return x-x == 0 && math.Abs(x) >= smallest
		}
		return x != 0 && math.Abs(x) < smallest
	}})
}

func execTest(w *warp, in *instr) {
	a, f := &w.regs[in.a], in.x.(func(uint64) bool)
	var out uint32
	for i := range a {
		if w.mask>>i&1 != 0 && f(a[i]) {
			out |= 1 << i
		}
	}
	w.setPred(in.p, out)
}

// translateMinMax is min or max of any type.
func translateMinMax(largest bool) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		t := m.typ()
		if !t.Float() {
			if t.Size() == 4 && t != ptx.S32 && t != ptx.U32 {
				c.unsupported() // packed integers
			}
			integerMinMax(c, m, t, largest)
			return
		}
		f := floatMods{ftz: m.has("ftz"), relu: m.has("relu")}
		nan, xor := m.has("NaN"), m.has("xorsign")
		if xor {
			m.ignore("abs")
		}
		pick := func(a, b float64) float64 {
			sign := math.Signbit(a) != math.Signbit(b)
			if xor {
				a, b = math.Abs(a), math.Abs(b)
			}
			var v float64
			switch {
			case a != a && b != b, nan && (a != a || b != b):
				v = math.NaN()
			case a != a:
				v = b
			case b != b:
				v = a
			case largest:
				v = math.Max(a, b)
			default:
				v = math.Min(a, b)
			}
			if xor {
				v = math.Copysign(v, map[bool]float64{true: -1, false: 1}[sign])
			}
			return v
		}
		if t == ptx.F64 {
			c.emit2(t, func(a, b uint64) uint64 { return bits64(pick(f64(a), f64(b))) })
			return
		}
		operands := len(c.in.Operands) - 1
		if operands == 3 {
			c.arith(t, f, 3, func(a, b, d float64) float64 { return pick(pick(a, b), d) })
			return
		}
		c.arith(t, f, 2, func(a, b, _ float64) float64 { return canonical(pick(a, b)) })
	}
}

// canonical makes any NaN the one that GPUs produce, once stored.
func canonical(x float64) float64 {
	if x != x {
		return float64(math.Float32frombits(0x7fffffff))
	}
	return x
}
