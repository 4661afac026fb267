// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomKernel is a kernel of nested branches and loops over integers, whose result for a thread depends on
// its index alone.
func randomKernel(r *rand.Rand) string {
	var b strings.Builder
	label := 0
	reg := func() string { return fmt.Sprintf("%%r%d", r.IntN(10)) }
	source := func() string {
		if r.IntN(4) == 0 {
			return fmt.Sprint(r.IntN(100))
		}
		return reg()
	}
	var statements func(depth int)
	statements = func(depth int) {
		for range 2 + r.IntN(5) {
			switch k := r.IntN(10); {
			case k < 5 || depth == 0:
				guard := ""
				if r.IntN(4) == 0 {
					fmt.Fprintf(&b, "\tsetp.%s.u32 %%p1, %s, %s;\n", []string{"lt", "eq", "ge"}[r.IntN(3)], reg(), source())
					guard = []string{"@%p1 ", "@!%p1 "}[r.IntN(2)]
				}
				op := []string{"add.u32", "sub.u32", "xor.b32", "mul.lo.u32", "shr.u32", "min.u32", "and.b32", "rem.u32"}[r.IntN(8)]
				fmt.Fprintf(&b, "\t%s%s %s, %s, %s;\n", guard, op, reg(), reg(), source())
			case k < 8: // both arms of a branch
				label++
				l := label
				fmt.Fprintf(&b, "\tand.b32 %%t0, %s, %d;\n\tsetp.ne.u32 %%p1, %%t0, 0;\n\t@%%p1 bra E%d;\n", reg(), 1+r.IntN(7), l)
				statements(depth - 1)
				fmt.Fprintf(&b, "\tbra J%d;\nE%d:\n", l, l)
				statements(depth - 1)
				fmt.Fprintf(&b, "J%d:\n", l)
			case k < 9: // a loop of at most 7 rounds with a second way out
				label++
				l := label
				fmt.Fprintf(&b, "\tand.b32 %%c%d, %s, 7;\nL%d:\n\tsetp.eq.u32 %%p1, %%c%d, 0;\n\t@%%p1 bra X%d;\n\tsub.u32 %%c%d, %%c%d, 1;\n", l, reg(), l, l, l, l, l)
				statements(depth - 1)
				fmt.Fprintf(&b, "\tsetp.eq.u32 %%p1, %s, %s;\n\t@%%p1 bra X%d;\n\tbra L%d;\nX%d:\n", reg(), reg(), l, l, l)
			default: // an early end, with a mark
				fmt.Fprintf(&b, "\tsetp.eq.u32 %%p1, %s, %d;\n\t@%%p1 st.global.u32 [%%mine], 12345;\n\t@%%p1 exit;\n", reg(), r.IntN(50))
			}
		}
	}
	statements(3)
	var head strings.Builder
	fmt.Fprintf(&head, "\t.reg .b32 %%t0;\n\t.reg .b32 %%c<%d>;\n", label+1)
	head.WriteString("\tmov.u32 %r1, %ctaid.x;\n\tmov.u32 %r2, %ntid.x;\n\tmad.lo.u32 %r0, %r1, %r2, %r0;\n\tmad.wide.u32 %mine, %r0, 4, %out;\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&head, "\tmul.lo.u32 %%r%d, %%r0, %d;\n", i, r.IntN(1000))
	}
	tail := "\txor.b32 %t0, %r0, %r1;\n"
	for i := 2; i < 10; i++ {
		tail += fmt.Sprintf("\tmad.lo.u32 %%t0, %%t0, 31, %%r%d;\n", i)
	}
	return kernel(head.String() + b.String() + tail + "\tst.global.u32 [%mine], %t0;")
}

// TestShapesAgree runs random kernels as one block of many lanes and as many blocks of one: how lanes part and
// meet must not matter, nor that registers share slots.
func TestShapesAgree(t *testing.T) {
	t.Parallel()
	const threads = 64
	g := newGPU(t)
	for seed := range uint64(100) {
		text := randomKernel(rand.New(rand.NewPCG(seed, 1)))
		m := g.module(text)
		spread := g.module(text)
		spread.spread = true
		a := g.alloc(4 * threads)
		g.run(spread, "k", [3]uint32{threads, 1, 1}, [3]uint32{1, 1, 1}, a)
		first := values[uint32](g, a, threads)
		g.memory.Free(a)
		for _, lanes := range []uint32{1, 5, 32, 64} {
			blocks := (threads + lanes - 1) / lanes
			a := g.alloc(4 * int(blocks*lanes))
			g.run(m, "k", [3]uint32{blocks, 1, 1}, [3]uint32{lanes, 1, 1}, a)
			got := values[uint32](g, a, threads)
			g.memory.Free(a)
			if !slices.Equal(got, first) {
				t.Fatalf("seed %d: blocks of %d lanes give %v, want %v\n%s", seed, lanes, got, first, text)
			}
		}
	}
}
