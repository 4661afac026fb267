// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// kernel wraps the body of a kernel with one pointer parameter, %out, and some registers.
func kernel(body string) string {
	return `.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p)
{
	.reg .pred %p<8>;
	.reg .b32 %r<16>;
	.reg .b64 %rd<16>;
	.reg .b64 %out;
	.reg .b64 %mine;
	ld.param.u64 %out, [p];
	mov.u32 %r0, %tid.x;
	mad.wide.u32 %mine, %r0, 4, %out;
` + body + "\n\tret;\n}\n"
}

// out runs a kernel of one block and returns what it wrote, a word for each thread.
func (g *gpu) words(text string, threads int) []uint32 {
	g.t.Helper()
	a := g.alloc(4 * threads)
	g.run(g.module(text), "k", [3]uint32{1, 1, 1}, [3]uint32{uint32(threads), 1, 1}, a)
	return values[uint32](g, a, threads)
}

func TestLanes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		threads    int
		want       func(i int) uint32
	}{
		{"loop with divergent exits", `
	mov.u32 %r1, 0;
	mov.u32 %r2, 0;
L1: setp.ge.u32 %p1, %r1, %r0;
	@%p1 bra L2;
	add.u32 %r2, %r2, %r1;
	add.u32 %r1, %r1, 1;
	bra L1;
L2: st.global.u32 [%mine], %r2;`, 64, func(i int) uint32 { return uint32(i * (i - 1) / 2) }},
		{"join after branches", `
	and.b32 %r1, %r0, 1;
	setp.eq.u32 %p1, %r1, 0;
	@%p1 bra EVEN;
	mov.u32 %r2, 7;
	bra JOIN;
EVEN: mov.u32 %r2, 9;
JOIN: activemask.b32 %r3;
	xor.b32 %r3, %r3, %r2;
	st.global.u32 [%mine], %r3;`, 32, func(i int) uint32 { return 0xffffffff ^ map[int]uint32{0: 9, 1: 7}[i&1] }},
		{"early exit and barrier", `
	st.global.u32 [%mine], 1;
	setp.gt.u32 %p1, %r0, 40;
	@%p1 exit;
	bar.sync 0;
	st.global.u32 [%mine], 2;`, 96, func(i int) uint32 { return map[bool]uint32{true: 1, false: 2}[i > 40] }},
		{"shared memory written again without a barrier", `
	.shared .align 4 .u32 s;
	setp.eq.u32 %p1, %r0, 0;
	@%p1 st.shared.u32 [s], 7;
	bar.sync 0;
	ld.shared.u32 %r2, [s];
	mov.u32 %r1, 0;
W1:	add.u32 %r1, %r1, 1;
	setp.lt.u32 %p2, %r1, 20;
	@%p2 bra W1;
	@%p1 st.shared.u32 [s], 9;
	st.global.u32 [%mine], %r2;`, 128, func(int) uint32 { return 7 }},
		{"rest of a unit of shared memory", `
	.shared .align 4 .u32 s;
	ld.shared.u32 %r1, [s+124];
	mov.u32 %r2, %total_smem_size;
	add.u32 %r1, %r1, %r2;
	st.global.u32 [%mine], %r1;`, 32, func(int) uint32 { return 128 }},
		{"spin lock within a warp", `
	.shared .align 4 .u32 lock;
	.shared .align 4 .u32 sum;
	setp.ne.u32 %p2, %r0, 0;
	@%p2 bra S0;
	st.shared.u32 [lock], 0;
	st.shared.u32 [sum], 0;
S0:	bar.sync 0;
S1:	atom.shared.cas.b32 %r1, [lock], 0, 1;
	setp.ne.u32 %p1, %r1, 0;
	@%p1 bra S1;
	ld.volatile.shared.u32 %r2, [sum];
	add.u32 %r2, %r2, 1;
	st.volatile.shared.u32 [sum], %r2;
	atom.shared.exch.b32 %r1, [lock], 0;
	bar.sync 0;
	ld.shared.u32 %r2, [sum];
	st.global.u32 [%mine], %r2;`, 64, func(int) uint32 { return 64 }},
		{"wait for another warp", `
	.shared .align 4 .u32 flag;
	setp.ne.u32 %p1, %r0, 0;
	@%p1 bra W0;
	st.shared.u32 [flag], 0;
W0:	bar.sync 0;
	setp.ge.u32 %p1, %r0, 32;
	@%p1 bra SET;
W1:	ld.volatile.shared.u32 %r1, [flag];
	setp.eq.u32 %p1, %r1, 0;
	@%p1 bra W1;
	bra DONE;
SET: st.volatile.shared.u32 [flag], 5;
	mov.u32 %r1, 5;
DONE: st.global.u32 [%mine], %r1;`, 64, func(int) uint32 { return 5 }},
		{"barriers by number", `
	.shared .align 4 .u32 box;
	setp.ge.u32 %p1, %r0, 32;
	@%p1 bra OTHER;
	st.shared.u32 [box], 3;
	bar.arrive 1, 64;
	mov.u32 %r1, 3;
	bra B9;
OTHER: bar.sync 1, 64;
	ld.shared.u32 %r1, [box];
B9:	st.global.u32 [%mine], %r1;`, 64, func(int) uint32 { return 3 }},
		{"reducing barrier", `
	and.b32 %r1, %r0, 3;
	setp.eq.u32 %p1, %r1, 0;
	bar.red.popc.u32 %r2, 0, %p1;
	bar.red.and.pred %p2, 0, %p1;
	bar.red.or.pred %p3, 0, %p1;
	selp.u32 %r3, 100, 0, %p2;
	selp.u32 %r4, 1000, 0, %p3;
	add.u32 %r2, %r2, %r3;
	add.u32 %r2, %r2, %r4;
	st.global.u32 [%mine], %r2;`, 128, func(int) uint32 { return 1032 }},
		{"two tiles vote at once", `
	and.b32 %r1, %r0, 16;
	shl.b32 %r2, 0xffff, %r1;
	and.b32 %r3, %r0, 1;
	setp.eq.u32 %p1, %r3, 0;
	vote.sync.ballot.b32 %r4, %p1, %r2;
	st.global.u32 [%mine], %r4;`, 32, func(i int) uint32 { return 0x5555 << (i & 16) }},
		{"votes of the lanes below", `
	mov.u32 %r1, %lanemask_lt;
	and.b32 %r3, %r0, 1;
	setp.eq.u32 %p1, %r3, 0;
	vote.sync.ballot.b32 %r4, %p1, %r1;
	st.global.u32 [%mine], %r4;`, 32, func(i int) uint32 { return 0x55555555 & (1<<i - 1) }},
		{"shuffle after divergence", `
	setp.lt.u32 %p1, %r0, 7;
	@%p1 bra A1;
	nanosleep.u32 10;
	add.u32 %r1, %r0, 100;
	bra A2;
A1:	add.u32 %r1, %r0, 200;
A2:	shfl.sync.down.b32 %r2|%p2, %r1, 1, 31, 0xffffffff;
	st.global.u32 [%mine], %r2;`, 32, func(i int) uint32 {
			j := min(i+1, 31)
			return map[bool]uint32{true: uint32(j + 200), false: uint32(j + 100)}[j < 7]
		}},
		{"jump table", `
	T: .branchtargets J0, J1, J2;
	rem.u32 %r1, %r0, 3;
	brx.idx %r1, T;
J0:	mov.u32 %r2, 10; bra J9;
J1:	mov.u32 %r2, 11; bra J9;
J2:	mov.u32 %r2, 12;
J9:	st.global.u32 [%mine], %r2;`, 32, func(i int) uint32 { return uint32(10 + i%3) }},
		{"carry chain", `
	sub.cc.u32 %r1, %r0, 5;
	subc.u32 %r2, 0, 0;
	add.cc.u32 %r3, %r0, 0xfffffffe;
	addc.u32 %r4, %r2, 0;
	st.global.u32 [%mine], %r4;`, 32, func(i int) (v uint32) {
			if i < 5 {
				v--
			}
			if i >= 2 {
				v++
			}
			return v
		}},
		{"division by zero goes on", `
	div.s32 %r1, %r0, 0;
	rem.s32 %r2, %r0, 0;
	div.s32 %r3, 0x80000000, -1;
	add.u32 %r1, %r1, %r2;
	add.u32 %r1, %r1, %r3;
	st.global.u32 [%mine], %r1;`, 32, func(i int) uint32 { return uint32(i) - 1 + 0x80000000 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGPU(t)
			for i, v := range g.words(kernel(c.body), c.threads) {
				if v != c.want(i) {
					t.Fatalf("thread %d wrote %d (%#x), want %d", i, v, v, c.want(i))
				}
			}
		})
	}
}

// TestRecursion computes Fibonacci numbers, as deep as each lane asks.
func TestRecursion(t *testing.T) {
	t.Parallel()
	text := strings.Replace(kernel(`
	.param .b32 arg;
	.param .b32 ret;
	and.b32 %r1, %r0, 7;
	st.param.b32 [arg], %r1;
	call (ret), fib, (arg);
	ld.param.b32 %r2, [ret];
	st.global.u32 [%mine], %r2;`), ".visible", `
.func (.param .b32 res) fib(.param .b32 n)
{
	.reg .pred %p; .reg .b32 %n, %a, %b;
	.param .b32 x; .param .b32 y;
	ld.param.b32 %n, [n];
	setp.lt.u32 %p, %n, 2;
	@%p bra END;
	sub.u32 %a, %n, 1;
	st.param.b32 [x], %a;
	call (y), fib, (x);
	ld.param.b32 %a, [y];
	sub.u32 %b, %n, 2;
	st.param.b32 [x], %b;
	call (y), fib, (x);
	ld.param.b32 %b, [y];
	add.u32 %n, %a, %b;
END: st.param.b32 [res], %n;
	ret;
}
.visible`, 1)
	got := newGPU(t).words(text, 32)
	want := []uint32{0, 1, 1, 2, 3, 5, 8, 13}
	if !slices.Equal(got[8:16], want) {
		t.Errorf("got %v, want %v", got[8:16], want)
	}
}

// TestGridBarrier has more blocks than cores wait for one another.
func TestGridBarrier(t *testing.T) {
	t.Parallel()
	g := newGPU(t)
	m := g.module(kernel(`
	setp.ne.u32 %p1, %r0, 0;
	@%p1 exit;
	atom.global.add.u32 %r1, [%out], 1;
	mov.u32 %r2, %nctaid.x;
G1:	ld.acquire.gpu.global.u32 %r1, [%out];
	setp.lt.u32 %p1, %r1, %r2;
	@%p1 bra G1;`))
	a := array(g, []uint32{0})
	l := g.prepare(m, "k", [3]uint32{40, 1, 1}, [3]uint32{32, 1, 1}, a)
	l.Cooperative = true
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	if v := values[uint32](g, a, 1)[0]; v != 40 {
		t.Errorf("%d blocks came", v)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       Kind
	}{
		{"beyond an allocation", "st.global.u32 [%out+4096], 1;", IllegalAddress},
		{"null", "ld.global.u32 %r1, [0];", IllegalAddress},
		{"generic null", "ld.u32 %r1, [0];", IllegalAddress},
		{"across the end", "ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%out+120];", IllegalAddress},
		{"misaligned", "ld.global.u32 %r1, [%out+2];", Misaligned},
		{"shared", ".shared .b32 s; ld.shared.u32 %r1, [s+400000];", IllegalAddress},
		{"beyond the unit of shared memory", ".shared .b32 s; ld.shared.u32 %r1, [s+128];", IllegalAddress},
		{"atomic", "atom.global.add.u32 %r1, [%out+1048576], 1;", IllegalAddress},
		{"trap", "trap;", Trap},
		{"barrier that some miss", "setp.gt.u32 %p1, %r0, 15; @%p1 bra F1; bar.sync 0; F1: bar.sync 1;", Deadlock},
		{"call of no function", "PR: .callprototype _ (); mov.u64 %rd1, 4096; call %rd1, (), PR;", InvalidPC},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGPU(t)
			l := g.prepare(g.module(kernel(c.body)), "k", [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, g.alloc(128))
			err := l.Run()
			var f *Fault
			if !errors.As(err, &f) || f.Kind != c.want {
				t.Errorf("fault is %v, want %s", err, kindNames[c.want])
			}
		})
	}
}

func TestKillAndDeepRecursion(t *testing.T) {
	t.Parallel()
	g := newGPU(t)
	l := g.prepare(g.module(kernel("K: bra K;")), "k", [3]uint32{2, 1, 1}, [3]uint32{64, 1, 1}, uint64(0))
	time.AfterFunc(20*time.Millisecond, l.Kill)
	var f *Fault
	if err := l.Run(); !errors.As(err, &f) || f.Kind != Killed {
		t.Errorf("a killed launch gave %v", err)
	}
	deep := strings.Replace(kernel("call deep;"), ".visible", ".func deep() { .local .b8 x[16]; .reg .b32 %r; mov.u32 %r, 1; st.local.u32 [x], %r; call deep; st.local.u32 [x], %r; ret; }\n.visible", 1)
	if err := g.prepare(g.module(deep), "k", [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, uint64(0)).Run(); !errors.As(err, &f) || f.Kind != StackOverflow {
		t.Errorf("endless recursion gave %v", err)
	}
}

// TestBlocksWaitForBlocks wants blocks that spin until all have begun to see that, though more than run at first.
func TestBlocksWaitForBlocks(t *testing.T) {
	t.Parallel()
	const blocks = 16
	for name, spin := range map[string]string{
		"a load":    "S: ld.volatile.global.u32 %r1, [%out]; setp.ne.u32 %p1, %r1, 16; @%p1 bra S;",
		"an atomic": "S: atom.global.or.b32 %r1, [%out], 0; setp.ne.u32 %p1, %r1, 16; @%p1 bra S;",
		"of a cooperative launch": "mov.u32 %r2, 0; S: add.u32 %r2, %r2, 1; ld.volatile.global.u32 %r1, [%out]; setp.ne.u32 %p1, %r1, 16; " +
			"setp.lt.u32 %p2, %r2, 4000; or.pred %p1, %p1, %p2; @%p1 bra S;", // each spins long enough for more to be asked for
		"with a barrier": "S: ld.relaxed.gpu.global.u32 %r1, [%out]; setp.ne.u32 %p1, %r1, 16; bar.red.or.pred %p2, 0, %p1; @%p2 bra S;",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGPU(t)
			a := g.alloc(4)
			l := g.prepare(g.module(kernel("setp.eq.u32 %p3, %r0, 0; @%p3 red.global.add.u32 [%out], 1; "+spin)), "k",
				[3]uint32{blocks, 1, 1}, [3]uint32{64, 1, 1}, a)
			l.Resident, l.Cooperative = blocks, name == "of a cooperative launch"
			defer time.AfterFunc(time.Minute, l.Kill).Stop()
			if err := l.Run(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVectorsAreWhole wants no thread to see half of a vector that another stores.
func TestVectorsAreWhole(t *testing.T) {
	t.Parallel()
	for typ, reg := range map[string]string{"v2.u64": "rd", "v4.u32": "r", "v2.u32": "r"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			a, b := "{%"+reg+"1,%"+reg+"1}", "{%"+reg+"3,%"+reg+"4}"
			differ := "setp.ne.b" + typ[4:] + " %p2, %" + reg + "3, %" + reg + "4; @%p2 bra TORN;"
			if typ[1] == '4' {
				a, b = "{%r1,%r1,%r1,%r1}", "{%r3,%r5,%r6,%r4}"
			}
			// When both have begun, block 0 stores one number after another; block 1 reads, and ends early where
			// elements differ.
			body := `
	red.global.add.u32 [%out+20], 1;
BOTH:	ld.volatile.global.u32 %r1, [%out+20];
	setp.ne.u32 %p1, %r1, 2;
	@%p1 bra BOTH;
	mov.u32 %r9, %ctaid.x;
	mov.u32 %r8, 0;
	setp.ne.u32 %p1, %r9, 0;
N:	add.u32 %r8, %r8, 1;
	mov.u32 %r1, %r8;
	cvt.u64.u32 %rd1, %r8;
	@%p1 bra READ;
	st.relaxed.gpu.global.` + typ + " [%out], " + a + `;
	bra NEXT;
READ:	ld.relaxed.gpu.global.` + typ + " " + b + ", [%out];\n" + differ + `
NEXT:	setp.lt.u32 %p3, %r8, 300000;
	@%p3 bra N;
	bra END;
TORN:	st.global.u32 [%out+16], 1;
END:`
			g := newGPU(t)
			g.Helpers = NewPool(1)
			defer g.Helpers.Close()
			at := g.alloc(32)
			g.run(g.module(kernel(body)), "k", [3]uint32{2, 1, 1}, [3]uint32{1, 1, 1}, at)
			if values[uint32](g, at, 8)[4] != 0 {
				t.Error("a thread saw elements of two stores")
			}
		})
	}
}

// TestRefused wants what cannot run to be named.
func TestRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		"mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%r1,%r2,%r3,%r4},{%r1,%r2},{%r1,%r2},{%r1,%r2,%r3,%r4};":    ErrUnsupported,
		"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%r1,%r2},{%r1,%r2,%r3,%r4},{%r1,%r2},{%r1,%r2};":         ErrUnsupported,
		"mma.sync.aligned.m16n8k6.row.col.f32.tf32.tf32.f32 {%r1,%r2,%r3,%r4},{%r1,%r2,%r3},{%r1},{%r1,%r2,%r3,%r4};": ErrUnsupported,
		"ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1,%r2,%r3},[%r4];":                                               ErrUnsupported,
		"movmatrix.sync.aligned.m8n8.trans.b16 %r1,%r2;":                                                              ErrUnsupported,
		"frobnicate.u32 %r1, %r2;":    ErrInvalid,
		"add.u32 %r1, %r2;":           ErrInvalid,
		"add.sideways.u32 %r1, 1, 2;": ErrUnsupported,
		"mov.u32 %r99, 1;":            ErrInvalid,
		"bra nowhere;":                ErrInvalid,
	} {
		_, err := newGPU(t).module(kernel(body)).Program("k")
		op, _, _ := strings.Cut(body, " ")
		if !errors.Is(err, want) || want == ErrUnsupported && !strings.Contains(fmt.Sprint(err), op) {
			t.Errorf("%s gave %v, want %v that names it", body, err, want)
		}
	}
}

// TestPointerTargets wants a kernel that calls through a pointer to run beside functions that none points to, though
// they call what is not there, as those of the CUDA device runtime do.
func TestPointerTargets(t *testing.T) {
	t.Parallel()
	g := newGPU(t)
	functions := `.extern .func (.param .b32 r) cnpMissing ();
.visible .func (.param .b32 r) missing() { .reg .b32 %x; .param .b32 back; call (back), cnpMissing, (); ld.param.b32 %x, [back]; st.param.b32 [r], %x; ret; }
.func (.param .b32 r) seven() { st.param.b32 [r], 7; ret; }
.func (.param .b32 r) nine() { st.param.b32 [r], 9; ret; }
.global .align 8 .u64 table[1] = {nine};
.visible .entry`
	m := g.module(strings.Replace(kernel(`
	.param .b32 back;
	P: .callprototype (.param .b32 _) _ ();
	setp.eq.u32 %p0, %r0, 1;
	ld.global.u64 %rd1, [table];
	mov.u64 %rd2, seven;
	selp.b64 %rd1, %rd2, %rd1, %p0;
	call (back), %rd1, (), P;
	ld.param.b32 %r1, [back];
	st.global.u32 [%mine], %r1;`), ".visible .entry", functions, 1))
	out := g.alloc(8)
	g.run(m, "k", [3]uint32{1, 1, 1}, [3]uint32{2, 1, 1}, out)
	if got := mem.Bytes(out, 8); got[0] != 9 || got[4] != 7 {
		t.Errorf("functions behind pointers gave %v, want 9 and 7", got)
	}
}
