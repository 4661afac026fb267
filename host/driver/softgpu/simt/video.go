// SPDX-License-Identifier: Apache-2.0

package simt

import (
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

func init() {
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
	}
}
