// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math/bits"
	"slices"
)

// maxLiveness bounds the bits of one of the four tables that liveness needs.
const maxLiveness = 1 << 31

// bitset of virtual registers.
type bitset []uint64

func newBitset(n int) bitset      { return make(bitset, n/64+1) }
func (s bitset) has(i int32) bool { return s[i/64]>>(i%64)&1 != 0 }
func (s bitset) set(i int32)      { s[i/64] |= 1 << (i % 64) }
func (s bitset) each(f func(int32)) {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			f(int32(w*64 + bits.TrailingZeros64(word)))
		}
	}
}

// operands calls use and def with pointers to the register operands of an instruction.
func (v *vinstr) operands(use, def func(*int32)) {
	use(&v.a)
	use(&v.b)
	use(&v.c)
	for i := range v.ss {
		use(&v.ss[i])
	}
	def(&v.d)
	for i := range v.ds {
		def(&v.ds[i])
	}
}

// finish lays the function out, gives its virtual registers slots and appends it to the program.
func (c *compiler) finish() {
	blocks := basicBlocks(c.out)
	if uint64(c.next)*uint64(len(blocks)) > maxLiveness {
		c.throw(ErrUnsupported, "function %s is too large: %d registers in %d blocks", c.f.Name, c.next, len(blocks))
	}
	order := layout(blocks)
	var code []vinstr
	start := make([]int32, len(blocks)) // where blocks are now
	now := make([]basicBlock, len(blocks))
	for i, b := range order {
		start[b] = int32(len(code))
		code = append(code, c.out[blocks[b].lo:blocks[b].hi]...)
		if f := blocks[b].falls; f >= 0 && (i+1 == len(order) || order[i+1] != f) {
			code = append(code, vinstr{instr: instr{exec: execBranch}, kind: branch, targets: []int32{blocks[f].lo},
				line: code[len(code)-1].line})
		}
		now[b] = basicBlock{lo: start[b], hi: int32(len(code)), next: blocks[b].next}
	}
	byLo := map[int32]int32{}
	for b := range blocks {
		byLo[blocks[b].lo] = start[b]
	}
	base := int32(len(c.l.p.code))
	for i := range code {
		if code[i].kind != branch {
			continue
		}
		targets := make([]int32, len(code[i].targets))
		for j, t := range code[i].targets {
			targets[j] = byLo[t] + base
		}
		code[i].target, code[i].targets = targets[0], targets
		if _, ok := code[i].x.(*jumpTable); ok {
			code[i].x = &jumpTable{targets}
		}
	}
	slots := c.allocate(code, now, order)
	c.fn.entry = base
	for i := range code {
		code[i].operands(func(r *int32) { *r = slots[*r] }, func(r *int32) { *r = slots[*r] })
		c.l.p.code = append(c.l.p.code, code[i].instr)
		c.l.p.lines = append(c.l.p.lines, code[i].line)
	}
}

// allocate returns the slot of each virtual register: constants and special registers first, then the others
// by linear scan over the intervals in which they live. A lane follows one path of control, and writes touch
// only active lanes, so what holds for one thread holds for the columns of a warp.
func (c *compiler) allocate(code []vinstr, blocks []basicBlock, order []int) []int32 {
	n := int(c.next) + 1
	slots := make([]int32, n)
	next := int32(1)
	fixed := newBitset(n)
	fixed.set(0)
	for v, r := range c.consts {
		c.fn.consts = append(c.fn.consts, constant{next, v})
		slots[r] = next
		fixed.set(r)
		next++
	}
	for name, r := range c.specials {
		c.fn.specials = append(c.fn.specials, special{next, specialFill(name), name, ofLane(name)})
		slots[r] = next
		fixed.set(r)
		next++
	}
	first, last := make([]int32, n), make([]int32, n)
	for i := range first {
		first[i] = -1
	}
	touch := func(r, at int32) {
		if first[r] < 0 || at < first[r] {
			first[r] = at
		}
		last[r] = max(last[r], at)
	}
	in, out := liveness(code, blocks, order, fixed, n)
	for _, b := range order {
		in[b].each(func(r int32) { touch(r, blocks[b].lo) })
		out[b].each(func(r int32) { touch(r, blocks[b].hi-1) })
		for i := blocks[b].lo; i < blocks[b].hi; i++ {
			mark := func(r *int32) {
				if !fixed.has(*r) {
					touch(*r, i)
				}
			}
			code[i].operands(mark, mark)
		}
	}
	var regs []int32
	for r := range int32(n) {
		if first[r] >= 0 {
			regs = append(regs, r)
		}
	}
	slices.SortFunc(regs, func(a, b int32) int { return int(first[a] - first[b]) })
	ends := make([][]int32, len(code)+1) // slots that become free after an instruction
	var free []int32
	at := int32(0)
	for _, r := range regs {
		for ; at < first[r]; at++ {
			free = append(free, ends[at]...)
		}
		if k := len(free); k > 0 && !c.l.module.spread {
			slots[r] = free[k-1]
			free = free[:k-1]
		} else {
			slots[r] = next
			next++
		}
		ends[last[r]] = append(ends[last[r]], slots[r])
	}
	c.fn.slots, c.fn.preds = int(next), len(c.preds)+1
	return slots
}

// liveness returns the registers that live at the beginning and end of each block.
func liveness(code []vinstr, blocks []basicBlock, order []int, fixed bitset, n int) (in, out []bitset) {
	uses, defs := make([]bitset, len(blocks)), make([]bitset, len(blocks))
	in, out = make([]bitset, len(blocks)), make([]bitset, len(blocks))
	for _, b := range order {
		uses[b], defs[b], in[b], out[b] = newBitset(n), newBitset(n), newBitset(n), newBitset(n)
		for i := blocks[b].lo; i < blocks[b].hi; i++ {
			code[i].operands(func(r *int32) {
				if !fixed.has(*r) && !defs[b].has(*r) {
					uses[b].set(*r)
				}
			}, func(r *int32) {
				if code[i].guard == 0 && !fixed.has(*r) {
					defs[b].set(*r)
				}
			})
		}
	}
	for changed := true; changed; {
		changed = false
		for i := len(order) - 1; i >= 0; i-- {
			b := order[i]
			for _, s := range blocks[b].next {
				for k := range out[b] {
					out[b][k] |= in[s][k]
				}
			}
			for k := range in[b] {
				v := uses[b][k] | out[b][k]&^defs[b][k]
				if v != in[b][k] {
					in[b][k], changed = v, true
				}
			}
		}
	}
	return in, out
}
