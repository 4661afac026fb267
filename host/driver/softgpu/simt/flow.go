// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// jumpTable is the targets of brx.idx.
type jumpTable struct{ targets []int32 }

func (c *compiler) label(name string) int32 {
	at, ok := c.f.Body.Labels[name]
	if !ok {
		c.invalid("no label %s", name)
	}
	return int32(at)
}

func translateBra(c *compiler, m *mods) {
	m.ignore("uni")
	c.arity(1)
	c.emit(vinstr{kind: branch, targets: []int32{c.label(c.operand(0).Name)}, instr: instr{exec: execBranch}})
}

func translateBrx(c *compiler, m *mods) {
	m.ignore("idx", "uni")
	c.arity(2)
	list := c.f.Body.Targets[c.operand(1).Name]
	if len(list) == 0 {
		c.invalid("no targets %s", c.operand(1).Name)
	}
	v := vinstr{kind: branch, instr: instr{exec: execBranchTable, x: &jumpTable{}, a: c.value(c.operand(0), ptx.U32)}}
	for _, l := range list {
		v.targets = append(v.targets, c.label(l))
	}
	c.emit(v)
}

func execBranch(w *warp, in *instr) {
	if w.mask == w.active {
		w.pc = in.target
		if len(w.splits) > 0 {
			w.stop()
		}
		return
	}
	w.fork(in.target, w.mask, w.frame)
}

func execBranchTable(w *warp, in *instr) {
	table, a := in.x.(*jumpTable).targets, &w.regs[in.a]
	for left := w.mask; left != 0; {
		first := firstLane(left)
		group := uint32(0)
		for i := range a {
			if left>>i&1 != 0 && a[i] == a[first] {
				group |= 1 << i
			}
		}
		left &^= group
		if a[first] >= uint64(len(table)) {
			w.raise(InvalidPC, first, 0, "brx.idx is beyond its targets")
		}
		w.fork(table[a[first]], group, w.frame)
	}
}

func translateExit(c *compiler, _ *mods) {
	c.emit(vinstr{kind: leave, instr: instr{exec: execExit}})
}

func translateRet(c *compiler, m *mods) {
	m.ignore("uni")
	c.emit(vinstr{kind: leave, instr: instr{exec: execRet}})
}

func execExit(w *warp, _ *instr) {
	w.live &^= w.mask
	w.active &^= w.mask
	w.stop()
}

func execTrap(w *warp, _ *instr) { w.raise(Trap, firstLane(w.mask), 0, "") }

// barrierOp is a barrier as its exec knows it. Barrier number and thread count are registers.
type barrierOp struct {
	arrive bool
	reduce reduction
}

func translateBar(c *compiler, m *mods) {
	m.ignore("cta", "aligned")
	if m.has("warp") {
		m.has("sync")
		c.arity(1)
		c.add(instr{exec: execWarpBar, a: c.value(c.operand(0), ptx.B32)})
		return
	}
	op := &barrierOp{}
	in := instr{exec: execBar, x: op}
	var rest []ptx.Operand
	switch m.one("sync", "arrive", "red") {
	case "arrive":
		op.arrive = true
		rest = c.in.Operands
	case "red":
		op.reduce = map[string]reduction{"popc": reducePopc, "and": reduceAnd, "or": reduceOr}[m.one("popc", "and", "or")]
		m.typ()
		if op.reduce == reducePopc {
			in.d = c.dest(c.operand(0))
		} else {
			in.p = c.destPred(c.operand(0))
		}
		last := len(c.in.Operands) - 1
		if last < 2 {
			c.invalid("%s has %d operands", c.in.Name(), last+1)
		}
		in.q, in.qneg = c.sourcePred(c.operand(last))
		rest = c.in.Operands[1:last]
	case "sync":
		rest = c.in.Operands
	default:
		c.unsupported()
	}
	if len(rest) == 0 || len(rest) > 2 || op.arrive && len(rest) != 2 {
		c.invalid("%s has %d operands", c.in.Name(), len(c.in.Operands))
	}
	in.a = c.value(rest[0], ptx.U32)
	in.b = c.constant(0)
	if len(rest) == 2 {
		in.b = c.value(rest[1], ptx.U32)
	}
	c.add(in)
}

func execBar(w *warp, in *instr) {
	op := in.x.(*barrierOp)
	first := firstLane(w.mask)
	id, count := w.regs[in.a][first], w.regs[in.b][first]
	if id >= maxBarriers || count > 1024 || count%32 != 0 {
		w.raise(IllegalInstruction, first, 0, "barrier number or thread count")
	}
	if op.arrive {
		w.block.arrived[id] += 32
		return
	}
	if rest := w.active &^ w.mask; rest != 0 {
		w.fork(w.pc, rest, w.frame)
	}
	s := w.park(atBlockBar)
	s.bar = barrierWait{id: int(id), count: uint32(count), reduce: op.reduce, d: in.d, p: in.p}
	if op.reduce != noReduction {
		s.bar.pred = w.pred(in)
	}
}

// execWarpBar waits for the lanes of a mask, wherever in the code they come to such a barrier.
func execWarpBar(w *warp, in *instr) {
	masks := w.regs[in.a]
	for left := w.mask; left != 0; {
		named, group := sameMask(&masks, left)
		left &^= group
		came := group
		for i := range w.splits {
			if s := &w.splits[i]; s.wait == atWarpBar && s.members == named {
				came |= s.mask
			}
		}
		if named&w.live&^came != 0 {
			w.fork(w.pc, group, w.frame)
			s := &w.splits[len(w.splits)-1]
			s.wait, s.members = atWarpBar, named
			continue
		}
		for i := range w.splits {
			if s := &w.splits[i]; s.wait == atWarpBar && s.members == named {
				s.wait = running
				w.stop()
			}
		}
	}
}
