// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// translateCp is cp.async: a copy from global to shared memory, which is done at once, so that waiting for
// it is nothing.
func translateCp(c *compiler, m *mods) {
	if !m.has("async") || m.has("bulk") || m.has("mbarrier") {
		c.unsupported()
	}
	if m.one("commit_group", "wait_group", "wait_all") != "" {
		return
	}
	m.hints()
	m.ignore("shared", "shared::cta", "global")
	if n := len(c.in.Operands); n < 3 || n > 5 {
		c.unsupported()
	}
	size := c.operand(2)
	if size.Kind != ptx.Integer || size.Value != 4 && size.Value != 8 && size.Value != 16 {
		c.unsupported()
	}
	in := instr{exec: execCopyAsync, n: int32(size.Value), cache: c.cacheSlot(), c: c.constant(size.Value)}
	var to asyncOffset
	in.a, to.offset = c.memory(c.operand(0))
	in.b, in.imm = c.memory(c.operand(1))
	in.x = to
	if len(c.in.Operands) == 4 { // the rest is filled with zeros
		if o := c.operand(3); o.Kind == ptx.Ident {
			if t, ok := c.f.Body.Reg(o.Name); ok && t != ptx.B32 && t != ptx.U32 {
				c.unsupported()
			}
		}
		in.c = c.value(c.operand(3), ptx.U32)
	} else if len(c.in.Operands) == 5 {
		c.unsupported()
	}
	c.add(in)
}

type asyncOffset struct{ offset uint64 }

func execCopyAsync(w *warp, in *instr) {
	to, from, sizes := &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	offset := in.x.(asyncOffset).offset
	for i := range to {
		if w.mask>>i&1 == 0 {
			continue
		}
		n := uint64(in.n)
		dst := unsafe.Slice((*byte)(w.within(w.block.shared, i, uint64(uint32(to[i]+offset)), n)), n)
		clear(dst)
		if size := min(sizes[i], n); size > 0 {
			p := w.global(in, i, from[i]+in.imm, n)
			copy(dst, unsafe.Slice((*byte)(p), size))
		}
	}
}

// An mbarrier is a word of shared memory: in our layout bits 0-19 are the arrivals that a phase takes, bits
// 20-39 those that are still to come, and bit 63 is the parity of the phase.
const (
	mbarrierCount = 1<<20 - 1
	mbarrierPhase = 1 << 63
)

// mbarrierArrive is the word after n threads have arrived; drop lowers what later phases take.
func mbarrierArrive(v, n uint64, drop bool) uint64 {
	count, pending := v&mbarrierCount, v>>20&mbarrierCount
	phase := v & mbarrierPhase
	if drop {
		count = (count - n) & mbarrierCount
	}
	if pending = (pending - n) & mbarrierCount; pending == 0 {
		pending, phase = count, phase^mbarrierPhase
	}
	return phase | pending<<20 | count
}

// translateMbarrier is the barriers in shared memory, without transaction counts.
func translateMbarrier(c *compiler, m *mods) {
	op := m.one("init", "inval", "arrive", "arrive_drop", "test_wait", "try_wait", "pending_count")
	parity := m.has("parity")
	m.order()
	m.ignore("noComplete")
	space := m.space()
	m.typ()
	if space != ptx.Shared && space != ptx.Generic {
		c.unsupported()
	}
	in := instr{exec: execMbarrier, cache: c.cacheSlot(), x: &mbarrierOp{op, parity, space}, c: c.constant(1)}
	switch op {
	case "init":
		c.arity(2)
		in.a, in.imm = c.memory(c.operand(0))
		in.c = c.value(c.operand(1), ptx.U32)
	case "inval":
		c.arity(1)
		in.a, in.imm = c.memory(c.operand(0))
	case "arrive", "arrive_drop":
		in.d = c.dest(c.operand(0))
		in.a, in.imm = c.memory(c.operand(1))
		if len(c.in.Operands) == 3 {
			in.c = c.value(c.operand(2), ptx.U32)
		}
	case "test_wait", "try_wait":
		in.p = c.destPred(c.operand(0))
		in.a, in.imm = c.memory(c.operand(1))
		in.c = c.value(c.operand(2), ptx.B64)
	case "pending_count":
		c.emit1(ptx.B64, func(v uint64) uint64 { return v >> 20 & mbarrierCount })
		return
	default:
		c.unsupported()
	}
	c.add(in)
}

type mbarrierOp struct {
	op     string
	parity bool
	space  ptx.Space
}

func execMbarrier(w *warp, in *instr) {
	x, a, operand, d := in.x.(*mbarrierOp), w.regs[in.a], w.regs[in.c], &w.regs[in.d]
	var passed uint32
	w.spin()
	for i := range a {
		if w.mask>>i&1 == 0 {
			continue
		}
		p := (*uint64)(w.resolve(in, x.space, i, a[i]+in.imm, 8))
		switch x.op {
		case "init":
			n := operand[i] & mbarrierCount
			*p = n<<20 | n
		case "inval":
			*p = 0
		case "arrive", "arrive_drop":
			old := *p
			*p = mbarrierArrive(old, operand[i], x.op == "arrive_drop")
			d[i] = old
		default:
			phase := operand[i] >> 63
			if x.parity {
				phase = operand[i] & 1
			}
			passed |= bit(*p>>63 != phase) << i
		}
	}
	if in.p != 0 {
		w.setPred(in.p, passed)
	}
}
