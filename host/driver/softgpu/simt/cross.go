// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math/bits"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// Instructions that look across the lanes of a warp. Their .sync forms name the lanes that take part in slot
// c; older forms take the active lanes.

// shuffle is a shfl as its exec knows it.
type shuffle struct {
	mode string
}

func translateShfl(c *compiler, m *mods) {
	sync := m.has("sync")
	x := &shuffle{mode: m.one("up", "down", "bfly", "idx")}
	m.typ()
	d := c.operand(0)
	in := instr{exec: execShfl, x: x}
	if d.Kind == ptx.Pair {
		in.p = c.destPred(d.Elems[1])
		d = d.Elems[0]
	}
	in.d = c.dest(d)
	in.a, in.b, in.c = c.value(c.operand(1), ptx.B32), c.value(c.operand(2), ptx.B32), c.value(c.operand(3), ptx.B32)
	if sync {
		c.arity(5)
		in.ss = []int32{c.value(c.operand(4), ptx.B32)}
	} else {
		c.arity(4)
	}
	c.add(in)
}

func execShfl(w *warp, in *instr) {
	members := int32(0)
	if len(in.ss) > 0 {
		members = in.ss[0]
	}
	w.together(members, func(uint32) { shuffleLanes(w, in) })
}

func shuffleLanes(w *warp, in *instr) {
	x := in.x.(*shuffle)
	d, a, b, c := &w.regs[in.d], w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	var valid uint32
	var out lanes
	for i := range out {
		if w.mask>>i&1 == 0 {
			continue
		}
		n, clamp, segment := int(b[i]&31), int(c[i]&31), int(c[i]>>8&31)
		most, least := i&segment|clamp&^segment, i&segment
		j, ok := i, false
		switch x.mode {
		case "up":
			j = i - n
			ok = j >= most
		case "down":
			j = i + n
			ok = j <= most
		case "bfly":
			j = i ^ n
			ok = j <= most
		case "idx":
			j = least | n&^segment
			ok = j <= most
		}
		if !ok {
			j = i
		} else {
			valid |= 1 << i
		}
		out[i] = a[j&31]
	}
	for i := range out {
		if w.mask>>i&1 != 0 {
			d[i] = out[i]
		}
	}
	if in.p != 0 {
		w.setPred(in.p, valid)
	}
}

func translateVote(c *compiler, m *mods) {
	sync := m.has("sync")
	mode := m.one("all", "any", "uni", "ballot")
	m.typ()
	in := instr{exec: execVote, x: mode}
	in.q, in.qneg = c.sourcePred(c.operand(1))
	if mode == "ballot" {
		in.d = c.dest(c.operand(0))
	} else {
		in.p = c.destPred(c.operand(0))
	}
	if sync {
		c.arity(3)
		in.c = c.value(c.operand(2), ptx.B32)
	} else {
		c.arity(2)
	}
	c.add(in)
}

func execVote(w *warp, in *instr) {
	w.together(in.c, func(members uint32) { vote(w, in, members) })
}

func vote(w *warp, in *instr, members uint32) {
	votes := w.pred(in) & members
	switch in.x.(string) {
	case "ballot":
		broadcast(w, in.d, uint64(votes))
	case "all":
		w.setPred(in.p, allIf(votes == members))
	case "any":
		w.setPred(in.p, allIf(votes != 0))
	case "uni":
		w.setPred(in.p, allIf(votes == 0 || votes == members))
	}
}

func translateActivemask(c *compiler, m *mods) {
	m.typ()
	c.arity(1)
	c.add(instr{exec: func(w *warp, in *instr) { broadcast(w, in.d, uint64(w.mask)) }, d: c.dest(c.operand(0))})
}

func translateMatch(c *compiler, m *mods) {
	m.has("sync")
	all := m.one("any", "all") == "all"
	t := m.typ()
	d := c.operand(0)
	in := instr{exec: execMatch, x: all}
	if d.Kind == ptx.Pair {
		in.p = c.destPred(d.Elems[1])
		d = d.Elems[0]
	}
	c.arity(3)
	in.d, in.a, in.c = c.dest(d), c.value(c.operand(1), t), c.value(c.operand(2), ptx.B32)
	c.add(in)
}

func execMatch(w *warp, in *instr) {
	w.together(in.c, func(members uint32) { match(w, in, members) })
}

func match(w *warp, in *instr, members uint32) {
	a := w.regs[in.a]
	var out lanes
	same := true
	for i := range out {
		if w.mask>>i&1 == 0 {
			continue
		}
		for j := range a {
			if members>>j&1 != 0 {
				if a[i] == a[j] {
					out[i] |= 1 << j
				} else {
					same = false
				}
			}
		}
	}
	if in.x.(bool) && !same {
		out = lanes{}
	}
	w.tmp = out
	w.blend(in.d)
	if in.p != 0 {
		w.setPred(in.p, allIf(same))
	}
}

func translateRedux(c *compiler, m *mods) {
	m.has("sync")
	op := m.one("add", "min", "max", "and", "or", "xor")
	t := m.typ()
	if t.Size() != 4 || t.Float() {
		c.unsupported()
	}
	c.arity(3)
	update := atomicUpdate(c, op, t)
	c.add(instr{exec: execRedux, d: c.dest(c.operand(0)), a: c.value(c.operand(1), t), c: c.value(c.operand(2), ptx.B32), x: update})
}

func execRedux(w *warp, in *instr) {
	w.together(in.c, func(members uint32) { reduce(w, in, members) })
}

func reduce(w *warp, in *instr, members uint32) {
	a, update := &w.regs[in.a], in.x.(func(old, b, c uint64) uint64)
	v := a[firstLane(members)]
	for rest := members & (members - 1); rest != 0; rest &= rest - 1 {
		v = update(v, a[bits.TrailingZeros32(rest)], 0)
	}
	broadcast(w, in.d, v)
}

func translateElect(c *compiler, m *mods) {
	m.has("sync")
	c.arity(2)
	d := c.operand(0)
	if d.Kind != ptx.Pair {
		c.unsupported()
	}
	c.add(instr{exec: execElect, d: c.dest(d.Elems[0]), p: c.destPred(d.Elems[1]), c: c.value(c.operand(1), ptx.B32)})
}

func execElect(w *warp, in *instr) {
	w.together(in.c, func(members uint32) {
		first := firstLane(members)
		broadcast(w, in.d, uint64(first))
		w.setPred(in.p, 1<<first)
	})
}
