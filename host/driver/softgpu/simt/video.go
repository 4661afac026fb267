// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"strconv"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// simdVideo translates the instructions that compute with the 2 halves or 4 bytes of a word, such as
// vabsdiff4, in the form that intrinsics use: all parts, in order.
func simdVideo(parts int, compute func(a, b int64) int64) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		to, ta, tb := m.typ(), m.typ(), m.typ()
		sat, add := m.has("sat"), m.has("add")
		if to.Size() != 4 || ta.Size() != 4 || tb.Size() != 4 {
			c.unsupported()
		}
		size := 32 / parts
		get := func(v uint64, i int, t ptx.Type) int64 {
			v = v >> (i * size) & (1<<size - 1)
			if t.Signed() {
				return int64(v<<(64-size)) >> (64 - size)
			}
			return int64(v)
		}
		lo, hi := int64(0), int64(1)<<size-1
		if to.Signed() {
			lo, hi = -1<<(size-1), 1<<(size-1)-1
		}
		c.emit3(ptx.B32, func(a, b, acc uint64) (r uint64) {
			for i := range parts {
				v := compute(get(a, i, ta), get(b, i, tb))
				if sat {
					v = min(max(v, lo), hi)
				}
				if add {
					acc += uint64(v)
				} else {
					r |= uint64(v) & (1<<size - 1) << (i * size)
				}
			}
			if add {
				return uint64(uint32(acc))
			}
			return r
		})
	}
}

// scalarVideo translates the instructions of the same names for whole words: a result of 34 bits that may be saturated, and
// then be added to, or compared with, a third operand. Parts of words (.b0, .h1) are not served.
func scalarVideo(compute func(a, b int64) int64) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		to, ta, tb := m.typ(), m.typ(), m.typ()
		if to.Size() != 4 || ta.Size() != 4 || tb.Size() != 4 {
			c.unsupported()
		}
		sat := m.has("sat")
		videoResult(c, m, to, sat, func(a, b uint64) int64 {
			v := compute(wordAs(a, ta), wordAs(b, tb))
			if !sat {
				v = wordAs(uint64(v), to)
			}
			return v
		})
	}
}

// videoShift translates vshl and vshr, which shift by 32 bits at most, or by the last five bits. What vshl shifts out of a
// word still counts where the result is compared, as it does in ptxas's code for sm_90.
func videoShift(shift func(a int64, by uint) int64) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		to, ta, tb := m.typ(), m.typ(), m.typ()
		sat, wrap := m.has("sat"), m.has("wrap")
		if to.Size() != 4 || ta.Size() != 4 || tb != ptx.U32 || !wrap && !m.has("clamp") {
			c.unsupported()
		}
		videoResult(c, m, to, sat, func(a, b uint64) int64 {
			by := uint(min(b&0xffffffff, 32))
			if wrap {
				by = uint(b & 31)
			}
			return shift(wordAs(a, ta), by)
		})
	}
}

// wordAs is a word's value as a type has it.
func wordAs(v uint64, t ptx.Type) int64 {
	if t.Signed() {
		return int64(int32(v))
	}
	return int64(uint32(v))
}

func videoResult(c *compiler, m *mods, to ptx.Type, sat bool, compute func(a, b uint64) int64) {
	lo, hi := int64(0), int64(math.MaxUint32)
	if to.Signed() {
		lo, hi = math.MinInt32, math.MaxInt32
	}
	value := func(a, b uint64) int64 {
		v := compute(a, b)
		if sat {
			v = min(max(v, lo), hi)
		}
		return v
	}
	less := func(v, d int64) bool {
		if to.Signed() {
			return v < d
		}
		return uint64(v) < uint64(d)
	}
	smaller := m.has("min")
	switch {
	case m.has("add"):
		c.emit3(ptx.B32, func(a, b, d uint64) uint64 { return uint64(uint32(uint64(value(a, b)) + d)) })
	case smaller, m.has("max"):
		c.emit3(ptx.B32, func(a, b, d uint64) uint64 {
			v, w := value(a, b), wordAs(d, to)
			if less(v, w) != smaller {
				v = w
			}
			return uint64(uint32(v))
		})
	default:
		c.emit2(ptx.B32, func(a, b uint64) uint64 { return uint64(uint32(value(a, b))) })
	}
}

func init() {
	translators["vshl"] = videoShift(func(a int64, by uint) int64 { return a << by })
	translators["vshr"] = videoShift(func(a int64, by uint) int64 { return a >> by })
	for name, f := range map[string]func(a, b int64) int64{
		"vadd": func(a, b int64) int64 { return a + b },
		"vsub": func(a, b int64) int64 { return a - b },
		"vmin": func(a, b int64) int64 { return min(a, b) },
		"vmax": func(a, b int64) int64 { return max(a, b) },
		"vabsdiff": func(a, b int64) int64 {
			return max(a-b, b-a)
		},
		"vavrg": func(a, b int64) int64 { // away from zero
			if s := a + b; s < 0 {
				return s >> 1
			}
			return (a + b + 1) >> 1
		},
	} {
		for _, parts := range []int{2, 4} {
			translators[name+strconv.Itoa(parts)] = simdVideo(parts, f)
		}
		if name != "vavrg" {
			translators[name] = scalarVideo(f)
		}
	}
}
