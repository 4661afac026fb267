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
