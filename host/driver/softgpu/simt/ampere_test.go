// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"testing"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

func TestMatrixInstructions(t *testing.T) {
	t.Parallel()
	for name, typ := range map[string]ptx.Type{"matrices_f16": ptx.F16, "matrices_bf16": ptx.BF16} {
		t.Run(name, func(t *testing.T) {
			g := newGPU(t)
			f := formats[typ]
			var a, b [256]uint16
			var c, want [256]float32
			value := func(i, m int) float64 { return float64(i*m%13-6) / 4 }
			for i := range 256 {
				a[i], b[i] = uint16(f.store(value(i, 5), nearest)), uint16(f.store(value(i, 7), nearest))
				c[i] = float32(i)
			}
			for m := range 16 {
				for n := range 16 {
					sum := float64(c[m*16+n])
					for k := range 16 {
						sum += value(m*16+k, 5) * value(n*16+k, 7)
					}
					want[m*16+n] = float32(2 * sum)
				}
			}
			d := g.alloc(1024)
			g.run(g.load("ampere.ptx"), name, [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, array(g, a[:]), array(g, b[:]), array(g, c[:]), d)
			for i, v := range values[float32](g, d, 256) {
				if v != want[i] {
					t.Fatalf("element %d is %v, want %v", i, v, want[i])
				}
			}
		})
	}
}

// sumOfProducts is a * b + c for an m by k and a k by n matrix, b in the order of columns.
func sumOfProducts[T int8 | float32 | float64, A int32 | float32 | float64](a, b []T, c []A, m, n, k int) []A {
	d := make([]A, m*n)
	for y := range m {
		for x := range n {
			d[y*n+x] = c[y*n+x]
			for i := range k {
				d[y*n+x] += A(a[y*k+i]) * A(b[x*k+i])
			}
		}
	}
	return d
}

func testProduct[T int8 | float32 | float64, A int32 | float32 | float64](t *testing.T, kernel string, m, n, k int) {
	g := newGPU(t)
	a, b, c := make([]T, m*k), make([]T, k*n), make([]A, m*n)
	for i := range a {
		a[i] = T(i%13 - 6)
	}
	for i := range b {
		b[i] = T(i%7 - 3)
	}
	for i := range c {
		c[i] = A(i)
	}
	d := array(g, c)
	g.run(g.load("ampere.ptx"), kernel, [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, array(g, a), array(g, b), array(g, c), d)
	want := sumOfProducts(a, b, c, m, n, k)
	for i, v := range values[A](g, d, m*n) {
		if v != want[i] {
			t.Fatalf("element %d is %v, want %v", i, v, want[i])
		}
	}
}

func TestMatrixTypes(t *testing.T) {
	t.Parallel()
	t.Run("s8", func(t *testing.T) { testProduct[int8, int32](t, "matrices_s8", 16, 16, 16) })
	t.Run("f64", func(t *testing.T) { testProduct[float64, float64](t, "matrices_f64", 8, 8, 4) })
	t.Run("tf32", func(t *testing.T) { testProduct[float32, float32](t, "matrices_tf32", 16, 16, 8) })
}

func TestAsynchronousCopy(t *testing.T) {
	t.Parallel()
	g := newGPU(t)
	in := make([]float32, 256)
	for i := range in {
		in[i] = float32(math.Sqrt(float64(i)))
	}
	out := g.alloc(1024)
	g.run(g.load("ampere.ptx"), "pipeline", [3]uint32{1, 1, 1}, [3]uint32{64, 1, 1}, array(g, in), out)
	for i, v := range values[float32](g, out, 256) {
		if v != in[255-i]+1 {
			t.Fatalf("element %d is %v, want %v", i, v, in[255-i]+1)
		}
	}
}

func TestBarrierInMemory(t *testing.T) {
	t.Parallel()
	g := newGPU(t)
	out := g.alloc(4 * 96)
	g.run(g.load("ampere.ptx"), "phases", [3]uint32{1, 1, 1}, [3]uint32{96, 1, 1}, out)
	for i, v := range values[int32](g, out, 96) {
		if int(v) != (i+5)%96 {
			t.Fatalf("thread %d ended with %d, want %d", i, v, (i+5)%96)
		}
	}
}
