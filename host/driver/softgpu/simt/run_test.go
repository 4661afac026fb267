// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// gpu is a machine with memory for tests.
type gpu struct {
	t testing.TB
	Machine
	memory *mem.Device
	mu     sync.Mutex
	out    bytes.Buffer
}

func newGPU(t testing.TB) *gpu {
	t.Helper()
	g := &gpu{t: t}
	s := mem.NewSpace()
	d, err := mem.NewDevice(s, 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	g.memory = d
	g.Machine = Machine{Space: s, SMs: 4, StackBytes: 16 << 10,
		Alloc: func(n uint64) uint64 { a, _ := d.Alloc(n, mem.Range{}); return a },
		Free:  d.Free,
		Print: func(b []byte) { g.mu.Lock(); defer g.mu.Unlock(); g.out.Write(b) }}
	t.Cleanup(func() { d.Close() })
	return g
}

// load reads a module of testdata.
func (g *gpu) load(name string) *Module {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		g.t.Fatal(err)
	}
	return g.module(string(text))
}

func (g *gpu) module(text string) *Module {
	g.t.Helper()
	ast, err := ptx.Parse(text)
	if err != nil {
		g.t.Fatal(err)
	}
	m, err := NewModule(ast, func(v *ptx.Var) (uint64, error) { return g.memory.Alloc(uint64(max(v.Size, 1)), mem.Range{}) })
	if err != nil {
		g.t.Fatal(err)
	}
	return m
}

func (g *gpu) alloc(n int) uint64 {
	g.t.Helper()
	a, err := g.memory.Alloc(uint64(n), mem.Range{})
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// array copies values into the GPU's memory.
func array[T any](g *gpu, values []T) uint64 {
	var buf bytes.Buffer
	if err := binary.Write(&buf, binary.LittleEndian, values); err != nil {
		g.t.Fatal(err)
	}
	a := g.alloc(buf.Len())
	copy(mem.Bytes(a, uint64(buf.Len())), buf.Bytes())
	return a
}

// values copies n values from the GPU's memory.
func values[T any](g *gpu, addr uint64, n int) []T {
	out := make([]T, n)
	if err := binary.Read(bytes.NewReader(mem.Bytes(addr, uint64(binary.Size(out)))), binary.LittleEndian, out); err != nil {
		g.t.Fatal(err)
	}
	return out
}

// pack lays out parameters: uint64 for pointers, or numbers of four or eight bytes.
func pack(params ...any) []byte {
	var out []byte
	for _, p := range params {
		for len(out)%binary.Size(p) != 0 {
			out = append(out, 0)
		}
		out, _ = binary.Append(out, binary.LittleEndian, p)
	}
	return out
}

func (g *gpu) prepare(m *Module, kernel string, grid, block [3]uint32, params ...any) *Launch {
	g.t.Helper()
	p, err := m.Program(kernel)
	if err != nil {
		g.t.Fatal(err)
	}
	l := p.NewLaunch()
	l.Machine, l.Grid, l.Block, l.Params = &g.Machine, grid, block, pack(params...)
	return l
}

func (g *gpu) run(m *Module, kernel string, grid, block [3]uint32, params ...any) *Launch {
	g.t.Helper()
	l := g.prepare(m, kernel, grid, block, params...)
	if err := l.Run(); err != nil {
		g.t.Fatal(err)
	}
	return l
}

func TestVectorAdd(t *testing.T) {
	t.Parallel()
	g := newGPU(t)
	const n = 1000
	a, b, want := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range a {
		a[i], b[i] = float32(i)*0.5, float32(n-i)*0.25
		want[i] = a[i] + b[i]
	}
	c := g.alloc(4 * n)
	g.run(g.load("matrix.ptx"), "vector_add", [3]uint32{8, 1, 1}, [3]uint32{128, 1, 1}, array(g, a), array(g, b), c, int32(n))
	for i, v := range values[float32](g, c, n) {
		if v != want[i] {
			t.Fatalf("element %d is %v, want %v", i, v, want[i])
		}
	}
}

// product multiplies on the GPU and returns the launch and what it should have written.
func product(g *gpu, kernel string, n, tile int) (l *Launch, c uint64, want []float32) {
	a, b := make([]float32, n*n), make([]float32, n*n)
	for i := range a {
		a[i], b[i] = float32(i%7-3), float32(i%5-2)
	}
	want = make([]float32, n*n)
	for y := range n {
		for x := range n {
			for k := range n {
				want[y*n+x] += a[y*n+k] * b[k*n+x]
			}
		}
	}
	c = g.alloc(4 * n * n)
	blocks := uint32(n / tile)
	return g.prepare(g.load("matrix.ptx"), kernel, [3]uint32{blocks, blocks, 1}, [3]uint32{uint32(tile), uint32(tile), 1},
		array(g, a), array(g, b), c, int32(n)), c, want
}

func TestMatrixProduct(t *testing.T) {
	t.Parallel()
	pool := NewPool(3)
	t.Cleanup(pool.Close)
	for kernel, tile := range map[string]int{"matrix_product16": 16, "matrix_product32": 32} {
		t.Run(kernel, func(t *testing.T) {
			g := newGPU(t)
			g.Helpers = pool
			l, c, want := product(g, kernel, 64, tile)
			if err := l.Run(); err != nil {
				t.Fatal(err)
			}
			for i, v := range values[float32](g, c, len(want)) {
				if v != want[i] {
					t.Fatalf("element %d is %v, want %v", i, v, want[i])
				}
			}
		})
	}
}

// BenchmarkMatrixProduct measures one core: thread instructions a second are warp instructions times 32, all
// lanes being active.
func BenchmarkMatrixProduct(b *testing.B) {
	for kernel, tile := range map[string]int{"matrix_product16": 16, "matrix_product32": 32} {
		b.Run(kernel, func(b *testing.B) {
			g := newGPU(b)
			l, _, _ := product(g, kernel, 128, tile)
			var executed uint64
			for b.Loop() {
				again := l.program.NewLaunch()
				again.Machine, again.Grid, again.Block, again.Params = l.Machine, l.Grid, l.Block, l.Params
				if err := again.Run(); err != nil {
					b.Fatal(err)
				}
				executed += again.Instructions() * 32
			}
			b.ReportMetric(float64(executed)/b.Elapsed().Seconds()/1e6, "Minstr/s")
		})
	}
}

// BenchmarkShortBlocks measures blocks that have little to do.
func BenchmarkShortBlocks(b *testing.B) {
	g := newGPU(b)
	m, n := g.load("matrix.ptx"), 1<<16
	x, y, z := g.alloc(4*n), g.alloc(4*n), g.alloc(4*n)
	for b.Loop() {
		g.run(m, "vector_add", [3]uint32{uint32(n / 128), 1, 1}, [3]uint32{128, 1, 1}, x, y, z, int32(n))
	}
}

func BenchmarkEmptyLaunch(b *testing.B) {
	g := newGPU(b)
	m := g.load("matrix.ptx")
	for b.Loop() {
		g.run(m, "empty", [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1})
	}
}
