// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// exactly rounds an exact value to a float32 in a mode, by way of big.
func exactly(x *big.Float, mode rounding) float32 {
	nearestValue, accuracy := x.Float32()
	switch {
	case accuracy == big.Exact || mode == nearest:
		return nearestValue
	case mode == up && accuracy == big.Below, mode == toZero && x.Sign() < 0 && accuracy == big.Below:
		return math.Nextafter32(nearestValue, float32(math.Inf(1)))
	case mode == down && accuracy == big.Above, mode == toZero && x.Sign() > 0 && accuracy == big.Above:
		return math.Nextafter32(nearestValue, float32(math.Inf(-1)))
	}
	return nearestValue
}

// TestFloat32Rounding compares sums, products and fused products with exact arithmetic, subnormals included.
func TestFloat32Rounding(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	number := func() float32 {
		v := math.Float32frombits(r.Uint32())
		switch r.IntN(4) {
		case 0: // few bits: ties are likely
			v = math.Float32frombits(r.Uint32() & 0xfffff000)
		case 1: // around 1
			v = math.Float32frombits(r.Uint32()&0x80ffffff | 0x3f000000)
		case 2: // tiny
			v = math.Float32frombits(r.Uint32() & 0x81ffffff)
		}
		if v != v || math.IsInf(float64(v), 0) {
			return 1
		}
		return v
	}
	exact := func(v float32) *big.Float { return new(big.Float).SetPrec(2000).SetFloat64(float64(v)) }
	for range 200000 {
		a, b, c := number(), number(), number()
		mode := rounding(r.IntN(4))
		x, y, z := float64(a), float64(b), float64(c)
		product := exact(a)
		product.Mul(product, exact(b))
		sum := exact(a)
		sum.Add(sum, exact(b))
		fused := new(big.Float).SetPrec(2000).Add(product, exact(c))
		for _, v := range []struct {
			name string
			got  float32
			want *big.Float
		}{{"add", round32(addOdd(x, y), mode), sum}, {"mul", round32(mulOdd(x, y), mode), product},
			{"fma", round32(fmaOdd(x, y, z), mode), fused}} {
			if want := exactly(v.want, mode); v.got != want && v.want.Sign() != 0 {
				t.Fatalf("%s of %b, %b, %b in mode %d is %b, want %b", v.name, a, b, c, mode, v.got, want)
			}
		}
	}
}

// TestHalf goes through all 65536 halves and checks ties.
func TestHalf(t *testing.T) {
	t.Parallel()
	for _, typ := range []ptx.Type{ptx.F16, ptx.BF16} {
		f := formats[typ]
		for v := range uint64(1 << 16) {
			x := f.load(v)
			if x != x {
				continue
			}
			for mode := range away {
				if got := f.store(x, mode); got != v {
					t.Fatalf("%v %04x is stored as %04x in mode %d", typ, v, got, mode)
				}
			}
			next := f.load(v + 1)
			if v&0x7fff >= 1<<15-1<<f.mantissa-1 || math.IsInf(next, 0) {
				continue
			}
			even := v + v&1
			if got := f.store((x+next)/2, nearest); got != even {
				t.Fatalf("%v half-way after %04x is rounded to %04x", typ, v, got)
			}
			less, more := v, v+1 // towards and away from zero
			for mode, want := range map[rounding][3]uint64{nearest: {less, even, more}, away: {less, more, more},
				toZero: {less, less, less}, up: {more, more, more}, down: {less, less, less}} {
				if x+next < 0 && (mode == up || mode == down) {
					want = [3]uint64{less + more - want[0], less + more - want[1], less + more - want[2]}
				}
				for i, part := range []float64{0.25, 0.5, 0.75} {
					if got := f.store(x+(next-x)*part, mode); got != want[i] {
						t.Fatalf("%v %04x and %v more is rounded to %04x in mode %d, want %04x", typ, v, part, got, mode, want[i])
					}
				}
			}
		}
	}
	if got := formats[ptx.F16].store(65520, nearest); got != 0x7c00 {
		t.Errorf("65520 is %04x as a half", got)
	}
}
