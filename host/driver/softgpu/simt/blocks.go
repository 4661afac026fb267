// SPDX-License-Identifier: Apache-2.0

package simt

import "slices"

// basicBlock is a run of instructions [lo, hi) that is entered at its beginning and left at its end.
type basicBlock struct {
	lo, hi int32
	next   []int // blocks that may follow
	falls  int   // the block that follows without a branch, -1 for none
	depth  int   // of loops around it
}

// split into basic blocks.
func basicBlocks(code []vinstr) []basicBlock {
	n := int32(len(code))
	starts := make([]bool, n+1)
	starts[0] = true
	for i := range code {
		if code[i].kind == plain {
			continue
		}
		starts[i+1] = true
		for _, t := range code[i].targets {
			starts[t] = true
		}
	}
	index := make([]int, n+1)
	var blocks []basicBlock
	for i := int32(0); i < n; i++ {
		if starts[i] {
			if k := len(blocks); k > 0 {
				blocks[k-1].hi = i
			}
			blocks = append(blocks, basicBlock{lo: i, hi: n, falls: -1})
		}
		index[i] = len(blocks) - 1
	}
	for i := range blocks {
		b := &blocks[i]
		last := &code[b.hi-1]
		if (last.kind == plain || last.guard != 0) && b.hi < n {
			b.falls = index[b.hi]
			b.next = append(b.next, b.falls)
		}
		for _, t := range last.targets {
			if k := index[t]; !slices.Contains(b.next, k) {
				b.next = append(b.next, k)
			}
		}
	}
	return blocks
}

// layout orders the blocks that can be reached so that a loop's blocks come before what follows the loop,
// and what joins comes after what is joined. The lowest program counter then runs first, and lanes that part
// meet again at the join.
func layout(blocks []basicBlock) []int {
	loopDepths(blocks)
	var order []int
	seen := make([]bool, len(blocks))
	type visit struct {
		block int
		next  []int
	}
	successors := func(b int) []int {
		// What is visited first ends up last: leave loops first, and prefer to fall through.
		s := slices.Clone(blocks[b].next)
		slices.SortStableFunc(s, func(x, y int) int {
			if d := blocks[x].depth - blocks[y].depth; d != 0 {
				return d
			}
			return y - x
		})
		return s
	}
	stack := []visit{{0, successors(0)}}
	seen[0] = true
	for len(stack) > 0 {
		v := &stack[len(stack)-1]
		if len(v.next) == 0 {
			order = append(order, v.block)
			stack = stack[:len(stack)-1]
			continue
		}
		n := v.next[0]
		v.next = v.next[1:]
		if !seen[n] {
			seen[n] = true
			stack = append(stack, visit{n, successors(n)})
		}
	}
	slices.Reverse(order)
	return order
}

// loopDepths counts the natural loops around each block.
func loopDepths(blocks []basicBlock) {
	before := make([][]int, len(blocks))
	for i := range blocks {
		for _, n := range blocks[i].next {
			before[n] = append(before[n], i)
		}
	}
	// Back edges, found by depth-first search: they end at a block that is being visited.
	const visiting, visited = 1, 2
	state := make([]byte, len(blocks))
	at := make([]int, len(blocks))
	loops := map[int][]int{} // head to the blocks that jump back to it
	stack := []int{0}
	state[0] = visiting
	for len(stack) > 0 {
		b := stack[len(stack)-1]
		if at[b] == len(blocks[b].next) {
			state[b] = visited
			stack = stack[:len(stack)-1]
			continue
		}
		n := blocks[b].next[at[b]]
		at[b]++
		switch state[n] {
		case 0:
			state[n] = visiting
			stack = append(stack, n)
		case visiting:
			loops[n] = append(loops[n], b)
		}
	}
	mark := make([]int, len(blocks))
	round := 0
	for head, tails := range loops {
		round++
		mark[head] = round
		blocks[head].depth++
		work := slices.Clone(tails)
		for len(work) > 0 {
			b := work[len(work)-1]
			work = work[:len(work)-1]
			if mark[b] == round || state[b] != visited {
				continue
			}
			mark[b] = round
			blocks[b].depth++
			work = append(work, before[b]...)
		}
	}
}
