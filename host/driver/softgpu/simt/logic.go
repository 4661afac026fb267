// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math/bits"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

func execAnd(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = a[i] & b[i]
	}
	w.commit(in)
}

func execOr(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = a[i] | b[i]
	}
	w.commit(in)
}

func execXor(w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
	w.commit(in)
}

func execShl[T unsigned](w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = uint64(T(a[i]) << uint32(b[i])) // Go shifts by any amount as PTX clamps
	}
	w.commit(in)
}

func execShr[T unsigned](w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = uint64(T(a[i]) >> uint32(b[i]))
	}
	w.commit(in)
}

func execShrSigned[S int16 | int32 | int64, T unsigned](w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], &w.regs[in.b]
	for i := range d {
		d[i] = uint64(T(S(a[i]) >> uint32(b[i])))
	}
	w.commit(in)
}

// bitwise translates and, or and xor, of registers and of predicates.
func bitwise(exec func(*warp, *instr), ofPreds func(a, b uint32) uint32) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		t := m.typ()
		if t != ptx.Pred {
			c.fast2(t, exec)
			return
		}
		c.predLogic(ofPreds)
	}
}

// predLogic adds an instruction on two predicates.
func (c *compiler) predLogic(f func(a, b uint32) uint32) {
	c.arity(3)
	a, negA := c.sourcePred(c.operand(1))
	b, negB := c.sourcePred(c.operand(2))
	c.add(instr{exec: execPredLogic, p: c.destPred(c.operand(0)), q: a, q2: b,
		x: func(a, b uint32) uint32 {
			if negA {
				a = ^a
			}
			if negB {
				b = ^b
			}
			return f(a, b)
		}})
}

func execPredLogic(w *warp, in *instr) {
	w.setPred(in.p, in.x.(func(a, b uint32) uint32)(w.preds[in.q], w.preds[in.q2]))
}

func translateNot(c *compiler, m *mods) {
	t := m.typ()
	if t == ptx.Pred {
		c.arity(2)
		q, neg := c.sourcePred(c.operand(1))
		c.add(instr{exec: execPredLogic, p: c.destPred(c.operand(0)), q: q, x: func(a, _ uint32) uint32 {
			if neg {
				return a
			}
			return ^a
		}})
		return
	}
	mask := typeMask(t)
	c.emit1(t, func(a uint64) uint64 { return ^a & mask })
}

func translateCnot(c *compiler, m *mods) {
	c.emit1(m.typ(), func(a uint64) uint64 {
		if a == 0 {
			return 1
		}
		return 0
	})
}

func translateShift(left bool) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		t := m.typ()
		c.arity(3)
		var exec func(*warp, *instr)
		switch {
		case left:
			exec = c.sized(t, execShl[uint16], execShl[uint32], execShl[uint64])
		case t.Signed():
			exec = c.sized(t, execShrSigned[int16, uint16], execShrSigned[int32, uint32], execShrSigned[int64, uint64])
		default:
			exec = c.sized(t, execShr[uint16], execShr[uint32], execShr[uint64])
		}
		c.add(instr{exec: exec, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), ptx.U32)})
	}
}

// translateShf is the funnel shift.
func translateShf(c *compiler, m *mods) {
	left := m.one("l", "r") == "l"
	wrap := m.one("wrap", "clamp") == "wrap"
	c.emit3(m.typ(), func(lo, hi, n uint64) uint64 {
		if wrap {
			n &= 31
		} else {
			n = min(n, 32)
		}
		v := hi<<32 | lo
		if left {
			return uint64(uint32(v << n >> 32))
		}
		return uint64(uint32(v >> n))
	})
}

func translateLop3(c *compiler, m *mods) {
	t := m.typ()
	if len(c.in.Operands) != 5 || m.has("and") || m.has("or") {
		c.unsupported()
	}
	table := c.operand(4)
	if table.Kind != ptx.Integer {
		c.invalid("the table of lop3 is no constant")
	}
	lut := table.Value
	c.add(instr{exec: exec3, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t),
		c: c.value(c.operand(3), t), f3: func(a, b, d uint64) (r uint64) {
			for i := range uint64(8) {
				if lut>>i&1 == 0 {
					continue
				}
				x, y, z := a, b, d
				if i&4 == 0 {
					x = ^x
				}
				if i&2 == 0 {
					y = ^y
				}
				if i&1 == 0 {
					z = ^z
				}
				r |= x & y & z
			}
			return r & 0xffffffff
		}})
}

func translatePopc(c *compiler, m *mods) {
	c.emit1(m.typ(), func(a uint64) uint64 { return uint64(bits.OnesCount64(a)) })
}

func translateClz(c *compiler, m *mods) {
	t := m.typ()
	drop := uint64(64 - t.Size()*8)
	c.emit1(t, func(a uint64) uint64 { return uint64(bits.LeadingZeros64(a)) - drop })
}

func translateBrev(c *compiler, m *mods) {
	t := m.typ()
	shift := 64 - t.Size()*8
	c.emit1(t, func(a uint64) uint64 { return bits.Reverse64(a) >> shift })
}

func translateBfind(c *compiler, m *mods) {
	amount := m.has("shiftamt")
	t := m.typ()
	size := uint64(t.Size() * 8)
	c.emit1(t, func(a uint64) uint64 {
		if t.Signed() && extend(a, t)>>63 != 0 {
			a = ^a & typeMask(t)
		}
		if a == 0 {
			return 0xffffffff
		}
		n := uint64(63 - bits.LeadingZeros64(a))
		if amount {
			return size - 1 - n
		}
		return n
	})
}

func translateFns(c *compiler, m *mods) {
	t := m.typ()
	c.emit3(t, func(mask, base, offset uint64) uint64 {
		base &= 31
		n := int32(offset)
		if n == 0 {
			if mask>>base&1 != 0 {
				return base
			}
			return 0xffffffff
		}
		for i := int(base); i >= 0 && i < 32; {
			if mask>>i&1 != 0 {
				if n > 0 {
					n--
				} else {
					n++
				}
				if n == 0 {
					return uint64(i)
				}
			}
			if int32(offset) > 0 {
				i++
			} else {
				i--
			}
		}
		return 0xffffffff
	})
}

func translateBfe(c *compiler, m *mods) {
	t := m.typ()
	size := uint64(t.Size() * 8)
	c.arity(4)
	c.add(instr{exec: exec3, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), ptx.U32),
		c: c.value(c.operand(3), ptx.U32), f3: func(a, b, n uint64) uint64 {
			pos, length := b&0xff, n&0xff
			if length == 0 {
				return 0
			}
			sign := uint64(0)
			if t.Signed() {
				sign = a >> min(pos+length-1, size-1) & 1
			}
			v := a >> pos
			if pos+length > size {
				length = size - min(pos, size)
			}
			if length < 64 {
				v &= 1<<length - 1
				if sign != 0 {
					v |= ^uint64(0) << length
				}
			}
			return v & typeMask(t)
		}})
}

func translateBfi(c *compiler, m *mods) {
	t := m.typ()
	size := uint64(t.Size() * 8)
	if len(c.in.Operands) != 5 {
		c.unsupported()
	}
	// Five operands: pack position and length into one source register.
	range32 := c.newReg(ptx.B64)
	c.add(instr{exec: exec2, d: range32, a: c.value(c.operand(3), ptx.U32), b: c.value(c.operand(4), ptx.U32),
		f2: func(pos, length uint64) uint64 { return pos&0xff | length&0xff<<8 }})
	c.add(instr{exec: exec3, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), b: c.value(c.operand(2), t), c: range32,
		f3: func(a, b, r uint64) uint64 {
			pos, length := r&0xff, r>>8
			if pos >= size || length == 0 {
				return b
			}
			field := ^uint64(0)
			if length < 64 {
				field = 1<<length - 1
			}
			field = field << pos & typeMask(t)
			return b&^field | a<<pos&field
		}})
}

func translateBmsk(c *compiler, m *mods) {
	clamp := m.one("clamp", "wrap") == "clamp"
	c.emit2(m.typ(), func(a, b uint64) uint64 {
		if !clamp {
			a, b = a&31, b&31
		}
		if a >= 32 || b == 0 {
			return 0
		}
		if b > 32 {
			b = 32
		}
		return (1<<b - 1) << a & 0xffffffff
	})
}

func translateSzext(c *compiler, m *mods) {
	clamp := m.one("clamp", "wrap") == "clamp"
	t := m.typ()
	c.emit2(t, func(a, n uint64) uint64 {
		if !clamp {
			n &= 31
		}
		if n == 0 {
			return 0
		}
		if n >= 32 {
			return a
		}
		if t.Signed() {
			return uint64(uint32(int32(a<<(32-n)) >> (32 - n)))
		}
		return a & (1<<n - 1)
	})
}

func translatePrmt(c *compiler, m *mods) {
	t := m.typ()
	mode := m.one("f4e", "b4e", "rc8", "ecl", "ecr", "rc16")
	c.emit3(t, func(a, b, sel uint64) uint64 { return permute(b<<32|a&0xffffffff, sel, mode) })
}

// permute picks bytes of v, as prmt does.
func permute(v, sel uint64, mode string) (r uint64) {
	pick := func(n uint64) uint64 { return v >> (n & 7 * 8) & 0xff }
	k := sel & 3
	for i := range uint64(4) {
		var x uint64
		switch mode {
		case "f4e":
			x = pick(k + i)
		case "b4e":
			x = pick(k - i)
		case "rc8":
			x = pick(k)
		case "ecl":
			x = pick(max(k, i))
		case "ecr":
			x = pick(min(k, i))
		case "rc16":
			x = pick(k&1*2 + i&1)
		default:
			s := sel >> (4 * i)
			if x = pick(s); s&8 != 0 { // copies of the sign
				x = uint64(uint8(int8(x) >> 7))
			}
		}
		r |= x << (8 * i)
	}
	return r
}

// translateDot is dp4a and dp2a: a sum of products of bytes, or of halves and bytes.
func translateDot(four bool) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		high := !four && m.one("hi", "lo") == "hi"
		ta, tb := m.typ(), m.typ()
		c.arity(4)
		c.add(instr{exec: exec3, d: c.dest(c.operand(0)), a: c.value(c.operand(1), ta), b: c.value(c.operand(2), tb),
			c: c.value(c.operand(3), ptx.B32), f3: func(a, b, sum uint64) uint64 {
				small := func(v uint64, signed bool) int64 {
					if signed {
						return int64(int8(v))
					}
					return int64(uint8(v))
				}
				s := int64(int32(sum))
				for i := range 4 {
					if four {
						s += small(a>>(8*i), ta.Signed()) * small(b>>(8*i), tb.Signed())
						continue
					}
					if i > 1 {
						break
					}
					x := int64(uint16(a >> (16 * i)))
					if ta.Signed() {
						x = int64(int16(a >> (16 * i)))
					}
					shift := 8 * i
					if high {
						shift += 16
					}
					s += x * small(b>>shift, tb.Signed())
				}
				return uint64(uint32(s))
			}})
	}
}
