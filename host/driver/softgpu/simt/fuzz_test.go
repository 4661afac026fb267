// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// FuzzKernel links and runs whatever parses. Nothing may crash, hang or write outside the memory given to it.
func FuzzKernel(f *testing.F) {
	files, _ := filepath.Glob("../testdata/*.ptx")
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil && len(text) < 20000 {
			f.Add(string(text))
		}
	}
	f.Add(kernel("atom.global.add.u32 %r1, [%mine], 1; shfl.sync.idx.b32 %r2, %r1, 3, 31, -1; bar.sync 0; L: @%p1 bra L;"))
	f.Add(kernel("PR: .callprototype _ (); call %rd1, (), PR; ld.v2.u32 {%r1, %r2}, [%mine]; cvt.rn.f32.s32 %r1, %r2;"))
	f.Add(kernel("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%r1,%r2,%r3,%r4},{%r1,%r2,%r3,%r4},{%r1,%r2},{%r1,%r2,%r3,%r4}; ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r1,%r2},[%r4]; vshr.u32.u32.u32.clamp.add %r1,%r2,%r3,%r4;"))
	f.Add(kernel("bfe.u32 %r1, %r2, %r3, 9; prmt.b32 %r1, %r2, %r3, 0x3210; div.u64 %rd1, %rd2, %rd3; brx.idx %r1, T; T: .branchtargets A, B; A: B: trap;"))
	g := newGPU(f)
	before, buffer, after := g.alloc(4096), g.alloc(4096), g.alloc(4096)
	clear(mem.Bytes(before, 4096))
	clear(mem.Bytes(after, 4096))
	fence := newGPU(f) // memory of others
	f.Fuzz(func(t *testing.T, text string) {
		ast, err := ptx.Parse(text)
		if err != nil {
			return
		}
		var placed []uint64
		m, err := NewModule(ast, func(v *ptx.Var) (uint64, error) {
			a, err := fence.memory.Alloc(uint64(max(v.Size, 1)), mem.Range{})
			placed = append(placed, a)
			return a, err
		})
		defer func() {
			for _, a := range placed {
				fence.memory.Free(a)
			}
		}()
		if err != nil {
			return
		}
		for _, name := range m.Kernels() {
			p, err := m.Program(name)
			if err != nil {
				continue
			}
			l := p.NewLaunch()
			machine := g.Machine
			machine.Space = mem.NewSpace()
			_ = machine.Space.Add(mem.Range{Lo: buffer, Hi: buffer + 4096})
			l.Machine, l.Grid, l.Block, l.SharedBytes = &machine, [3]uint32{2, 1, 1}, [3]uint32{40, 1, 1}, 64
			l.Params = make([]byte, p.ParamBytes)
			copy(l.Params, pack(buffer, buffer, buffer, uint32(64)))
			timer := time.AfterFunc(50*time.Millisecond, l.Kill)
			_ = l.Run()
			timer.Stop()
		}
		for _, a := range []uint64{before, after} {
			for _, b := range mem.Bytes(a, 4096) {
				if b != 0 {
					t.Fatal("a kernel wrote outside its memory")
				}
			}
		}
	})
}
