// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// atomicOp is an atomic instruction: update computes the new value from the old one and the operands.
type atomicOp struct {
	space  ptx.Space
	size   uint64
	signed bool
	update func(old, b, c uint64) uint64
	add    bool // a plain integer addition
}

func atomicUpdate(c *compiler, op string, t ptx.Type) func(old, b, c uint64) uint64 {
	mask := typeMask(t)
	less := func(a, b uint64) bool {
		switch {
		case t == ptx.F32:
			return f32(a) < f32(b)
		case t == ptx.F64:
			return f64(a) < f64(b)
		case t.Signed():
			return int64(extend(a, t)) < int64(extend(b, t))
		}
		return a < b
	}
	switch op {
	case "add":
		switch t {
		case ptx.F32:
			return func(a, b, _ uint64) uint64 { return bits32(f32(a) + f32(b)) }
		case ptx.F64:
			return func(a, b, _ uint64) uint64 { return bits64(f64(a) + f64(b)) }
		case ptx.F16, ptx.BF16, ptx.F16x2, ptx.BF16x2:
			n := c.number(t)
			half := func(a, b uint64) uint64 { return n.store(addOdd(n.load(a), n.load(b)), nearest) }
			return func(a, b, _ uint64) uint64 {
				v := half(a&0xffff, b&0xffff)
				if t.Size() == 4 {
					v |= half(a>>16, b>>16) << 16
				}
				return v
			}
		}
		return func(a, b, _ uint64) uint64 { return (a + b) & mask }
	case "exch":
		return func(_, b, _ uint64) uint64 { return b }
	case "cas":
		return func(a, b, d uint64) uint64 {
			if a == b {
				return d
			}
			return a
		}
	case "and":
		return func(a, b, _ uint64) uint64 { return a & b }
	case "or":
		return func(a, b, _ uint64) uint64 { return a | b }
	case "xor":
		return func(a, b, _ uint64) uint64 { return a ^ b }
	case "min", "max":
		if t.Float() && t != ptx.F32 && t != ptx.F64 {
			break
		}
		smallest := op == "min"
		return func(a, b, _ uint64) uint64 {
			if less(b, a) == smallest {
				return b
			}
			return a
		}
	case "inc":
		return func(a, b, _ uint64) uint64 {
			if a >= b {
				return 0
			}
			return a + 1
		}
	case "dec":
		return func(a, b, _ uint64) uint64 {
			if a == 0 || a > b {
				return b
			}
			return a - 1
		}
	}
	c.unsupported()
	return nil
}

// translateAtom is atom and, without a destination, red.
func translateAtom(destination bool) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		m.order()
		m.hints()
		space := m.space()
		if space == ptx.Const || space == ptx.Local || space == ptx.Param {
			c.unsupported()
		}
		op := m.one("add", "exch", "cas", "and", "or", "xor", "min", "max", "inc", "dec")
		t := m.typ()
		m.ignore("rn", "ftz")
		if t.Size() < 2 || t.Size() > 8 {
			c.unsupported()
		}
		x := &atomicOp{space: space, size: uint64(t.Size()), signed: t.Signed(), update: atomicUpdate(c, op, t),
			add: op == "add" && !t.Float() && t.Size() >= 4}
		at := 0
		in := instr{exec: execAtom, x: x, cache: c.cacheSlot()}
		if destination {
			in.d = c.dest(c.operand(0))
			at = 1
		}
		in.a, in.imm = c.memory(c.operand(at))
		in.b = c.value(c.operand(at+1), t)
		last := at + 2
		if op == "cas" {
			in.c = c.value(c.operand(last), t)
			last++
		}
		c.arity(last)
		c.add(in)
	}
}

func execAtom(w *warp, in *instr) {
	x := in.x.(*atomicOp)
	w.spin()
	d, a, b, c := &w.regs[in.d], w.regs[in.a], w.regs[in.b], w.regs[in.c]
	for i := range a {
		if w.mask>>i&1 == 0 {
			continue
		}
		p := w.resolve(in, x.space, i, a[i]+in.imm, x.size)
		d[i] = x.apply(p, b[i], c[i])
	}
}

// apply performs the operation at p and returns what was there before.
func (x *atomicOp) apply(p unsafe.Pointer, b, c uint64) uint64 {
	switch x.size {
	case 8:
		q := (*uint64)(p)
		if x.add {
			return atomic.AddUint64(q, b) - b
		}
		for {
			old := atomic.LoadUint64(q)
			v := x.update(old, b, c)
			if v == old || atomic.CompareAndSwapUint64(q, old, v) {
				return old
			}
		}
	case 4:
		q := (*uint32)(p)
		if x.add {
			return uint64(atomic.AddUint32(q, uint32(b)) - uint32(b))
		}
		for {
			old := atomic.LoadUint32(q)
			v := uint32(x.update(uint64(old), b, c))
			if v == old || atomic.CompareAndSwapUint32(q, old, v) {
				return uint64(old)
			}
		}
	}
	// Two bytes: within the four around them.
	shift := uint(uintptr(p)&2) * 8
	q := (*uint32)(unsafe.Pointer(uintptr(p) &^ 2))
	for {
		old := atomic.LoadUint32(q)
		half := uint64(old >> shift & math.MaxUint16)
		v := old&^(math.MaxUint16<<shift) | uint32(x.update(half, b, c)&math.MaxUint16)<<shift
		if v == old || atomic.CompareAndSwapUint32(q, old, v) {
			return half
		}
	}
}
