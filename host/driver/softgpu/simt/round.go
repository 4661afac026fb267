// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"math/big"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// Rounding. A result narrower than 53 bits is first computed as a float64 rounded to odd: exact, or else with
// its last bit set. Rounding that once more, to at least two bits fewer and in any mode, is right.

// rounding is a rounding mode.
type rounding uint8

const (
	nearest rounding = iota // to even
	toZero
	down
	up
	away // to nearest, ties away from zero
)

var roundings = map[string]rounding{"": nearest, "rn": nearest, "rz": toZero, "rm": down, "rp": up, "rna": away,
	"rni": nearest, "rzi": toZero, "rmi": down, "rpi": up}

// odd makes x, which is off by err from the exact value, the odd rounding of it.
func odd(x, err float64) float64 {
	b := math.Float64bits(x)
	if err == 0 || err != err || b&1 != 0 || math.IsInf(x, 0) {
		return x
	}
	// The exact value lies between x and a neighbour, both of which are odd.
	if (err > 0) == (x > 0) && x != 0 {
		return math.Float64frombits(b + 1)
	}
	if x == 0 {
		return math.Copysign(math.SmallestNonzeroFloat64, err)
	}
	return math.Float64frombits(b - 1)
}

// zeroDown is the sum of a and b, where it is zero, in the mode that rounds down: negative unless both are
// positive zeros.
func zeroDown(sum, a, b float64, mode rounding) float64 {
	if sum == 0 && mode == down && !(a == 0 && b == 0 && !math.Signbit(a) && !math.Signbit(b)) {
		return math.Copysign(0, -1)
	}
	return sum
}

func addOdd(a, b float64) float64 {
	s := a + b
	t := s - a
	return odd(s, (a-(s-t))+(b-t))
}

func mulOdd(a, b float64) float64 {
	p := a * b
	return odd(p, math.FMA(a, b, -p))
}

// fmaOdd needs a and b of at most 26 bits each.
func fmaOdd(a, b, c float64) float64 { return addOdd(float64(a*b), c) }

func divOdd(a, b float64) float64 {
	q := a / b
	if q-q != 0 || b-b != 0 { // infinite or not a number
		return q
	}
	r := math.FMA(-q, b, a)
	if b < 0 {
		r = -r
	}
	return odd(q, r)
}

func sqrtOdd(a float64) float64 {
	s := math.Sqrt(a)
	return odd(s, math.FMA(-s, s, a))
}

// residue is a*b - p, or if that is too small for a float64 something of its sign.
func residue(a, b, p float64) float64 {
	if r := math.FMA(a, b, -p); math.Abs(p) > 0x1p-900 || r != r {
		return r
	}
	var exact big.Float
	exact.SetPrec(200).Mul(big.NewFloat(a), big.NewFloat(b))
	return float64(exact.Cmp(big.NewFloat(p)))
}

// overflow is the result for an infinity that rounding made.
func overflow(v float64, mode rounding) float64 {
	if mode == toZero || mode == up && v < 0 || mode == down && v > 0 {
		return math.Copysign(math.MaxFloat64, v)
	}
	return v
}

// round64 rounds x, off by err from the exact value, to a float64.
func round64(x, err float64, mode rounding) float64 {
	if err == 0 || err != err || mode == nearest {
		return x
	}
	switch {
	case mode == up && err > 0, mode == toZero && x < 0 && err > 0:
		return math.Nextafter(x, math.Inf(1))
	case mode == down && err < 0, mode == toZero && x > 0 && err < 0:
		return math.Nextafter(x, math.Inf(-1))
	}
	return x
}

// round32 rounds an odd-rounded float64 to a float32.
func round32(x float64, mode rounding) float32 {
	y := float32(x)
	if mode == nearest || float64(y) == x || x != x {
		return y
	}
	switch z := float64(y); {
	case mode == up && z < x, mode == toZero && x < 0 && z < x:
		return math.Nextafter32(y, float32(math.Inf(1)))
	case mode == down && z > x, mode == toZero && x > 0 && z > x:
		return math.Nextafter32(y, float32(math.Inf(-1)))
	}
	return y
}

// fma64 is a fused multiply-add in any mode.
func fma64(a, b, c float64, mode rounding) float64 {
	v := math.FMA(a, b, c)
	if mode == nearest || v-v != 0 && (a-a != 0 || b-b != 0 || c-c != 0) || v != v {
		return v
	}
	var exact, x big.Float
	exact.SetPrec(4096).Mul(big.NewFloat(a), big.NewFloat(b))
	exact.Add(&exact, big.NewFloat(c))
	if math.IsInf(v, 0) {
		if mode == up && v > 0 || mode == down && v < 0 {
			return v
		}
		return math.Copysign(math.MaxFloat64, v)
	}
	if exact.Sign() == 0 {
		return zeroDown(v, a*b, c, mode)
	}
	err := float64(exact.Cmp(x.SetFloat64(v)))
	return round64(v, err, mode)
}

// floatFormat is a binary floating-point format of at most 32 bits.
type floatFormat struct {
	size     uint // bits
	mantissa uint // bits stored
	maxFinal int
}

var formats = map[ptx.Type]floatFormat{ptx.F16: {16, 10, 15}, ptx.F16x2: {16, 10, 15}, ptx.BF16: {16, 7, 127},
	ptx.BF16x2: {16, 7, 127}, ptx.F32: {32, 23, 127}}

// load returns the value of a number in the format.
func (f floatFormat) load(v uint64) float64 {
	switch f.size - f.mantissa {
	case 9: // 8 bits of exponent, like float32
		return float64(math.Float32frombits(uint32(v << (32 - f.size))))
	}
	sign, exp, frac := v>>15&1, v>>10&31, v&1023
	var x float64
	switch exp {
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		x = math.Inf(1)
	case 0:
		x = float64(frac) * 0x1p-24
	default:
		x = float64(math.Float32frombits(uint32((exp+127-15)<<23 | frac<<13)))
	}
	if sign != 0 {
		x = -x
	}
	return x
}

// store rounds an odd-rounded value to the format.
func (f floatFormat) store(x float64, mode rounding) uint64 {
	if f.size == 32 {
		return uint64(math.Float32bits(round32(x, mode)))
	}
	sign := math.Float64bits(x) >> 63 << 15
	if x != x {
		return 0x7fff
	}
	infinity := uint64(1)<<15 - 1<<f.mantissa
	if math.IsInf(x, 0) {
		return sign | infinity
	}
	a := math.Abs(x)
	if a == 0 {
		return sign
	}
	whole := math.Float64bits(a)
	lead := int(whole>>52) - 1023  // exponent of the leading bit
	exp := max(lead, 1-f.maxFinal) // that of the result, or of subnormals
	drop := 52 - int(f.mantissa) + exp - lead
	n, rest, half := uint64(0), uint64(1), uint64(2) // n units of the last place; the rest; half a unit
	if drop < 64 {
		significand := whole&(1<<52-1) | 1<<52
		n, rest, half = significand>>drop, significand&(1<<drop-1), 1<<(drop-1)
	}
	negative := sign != 0
	switch {
	case rest == 0:
	case mode == nearest && (rest > half || rest == half && n&1 == 1),
		mode == away && rest >= half, mode == up && !negative, mode == down && negative:
		n++
	}
	// n counts units of the last place; adding the exponent lets a carry run into it.
	bits := n
	if exp > 1-f.maxFinal || bits>>f.mantissa != 0 {
		bits += uint64(exp+f.maxFinal-1) << f.mantissa
	}
	if bits >= infinity {
		if mode == toZero || mode == up && negative || mode == down && !negative {
			bits = infinity - 1
		} else {
			bits = infinity
		}
	}
	return sign | bits
}
