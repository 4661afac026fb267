// SPDX-License-Identifier: Apache-2.0

package texture

import (
	"encoding/binary"
	"math"
)

// Format is a CUarray_format: the type of one component.
type Format uint32

// The formats that are served.
const (
	Unsigned8  Format = 0x01
	Unsigned16 Format = 0x02
	Unsigned32 Format = 0x03
	Signed8    Format = 0x08
	Signed16   Format = 0x09
	Signed32   Format = 0x0a
	Half       Format = 0x10
	Float      Format = 0x20
)

// Size is the bytes of a component, 0 for a format that is not served.
func (f Format) Size() int {
	switch f {
	case Unsigned8, Signed8:
		return 1
	case Unsigned16, Signed16, Half:
		return 2
	case Unsigned32, Signed32, Float:
		return 4
	}
	return 0
}

// float says whether components are floating point.
func (f Format) float() bool { return f == Half || f == Float }

// Texel is what a fetch gives: four words, integers or the bits of floats.
type Texel [4]uint32

// Color is a texel of floats.
type Color [4]float32

// component reads one component as the 32-bit word that it is without promotion: integers extended, half as
// float.
func (f Format) component(b []byte) uint32 {
	switch f {
	case Unsigned8:
		return uint32(b[0])
	case Signed8:
		return uint32(int32(int8(b[0])))
	case Unsigned16:
		return uint32(binary.LittleEndian.Uint16(b))
	case Signed16:
		return uint32(int32(int16(binary.LittleEndian.Uint16(b))))
	case Half:
		return math.Float32bits(halfToFloat(binary.LittleEndian.Uint16(b)))
	}
	return binary.LittleEndian.Uint32(b)
}

// promote is a component as a float: integers of 8 and 16 bits stand for [0, 1] or [-1, 1].
func (f Format) promote(v uint32) float32 {
	switch f {
	case Unsigned8:
		return float32(v) / math.MaxUint8
	case Signed8:
		return max(float32(int32(v))/math.MaxInt8, -1)
	case Unsigned16:
		return float32(v) / math.MaxUint16
	case Signed16:
		return max(float32(int32(v))/math.MaxInt16, -1)
	}
	return math.Float32frombits(v)
}

// put writes a word as a component, which is saturated to what it can hold.
func (f Format) put(b []byte, v uint32) {
	switch f {
	case Unsigned8:
		b[0] = uint8(min(v, math.MaxUint8))
	case Signed8:
		b[0] = uint8(max(math.MinInt8, min(int32(v), math.MaxInt8)))
	case Unsigned16:
		binary.LittleEndian.PutUint16(b, uint16(min(v, math.MaxUint16)))
	case Signed16:
		binary.LittleEndian.PutUint16(b, uint16(max(math.MinInt16, min(int32(v), math.MaxInt16))))
	case Half:
		binary.LittleEndian.PutUint16(b, floatToHalf(math.Float32frombits(v)))
	default:
		binary.LittleEndian.PutUint32(b, v)
	}
}

func halfToFloat(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10&31), uint32(h&0x3ff)
	switch exponent {
	case 0:
		return math.Float32frombits(sign) + float32(math.Copysign(float64(fraction)*0x1p-24, float64(math.Float32frombits(sign|0x3f800000))))
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// floatToHalf rounds to the nearest, to even in the middle.
func floatToHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := bits & 0x7fffffff
	switch {
	case magnitude > 0x7f800000:
		return sign | 0x7e00
	case magnitude >= 0x47800000: // 65536
		return sign | 0x7c00
	case magnitude < 0x38800000: // below 2^-14: a multiple of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(magnitude))*0x1p24))
	}
	rounded := magnitude + 0xfff + magnitude>>13&1
	return sign | uint16((rounded-0x38000000)>>13)
}
