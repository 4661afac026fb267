// SPDX-License-Identifier: Apache-2.0

package texture

import "github.com/orion-vgpu/orion/host/driver/softgpu/mem"

// Boundary says what an access beyond a surface does.
type Boundary uint8

// The boundary modes.
const (
	Trap   Boundary = iota // ends the kernel
	Nearby                 // reaches the nearest texel
	Zero                   // reads 0, writes nothing
)

// Boundaries by their names in PTX.
var Boundaries = map[string]Boundary{"trap": Trap, "clamp": Nearby, "zero": Zero}

// Bytes is the memory that an access to a surface names, size bytes from byte x of a row on. Slice is the
// depth, layer or face. What lies beyond is nil for Zero, and not ok for Trap.
func (m *Image) Bytes(mode Boundary, x, y, slice int32, size int) (b []byte, ok bool) {
	row := m.Width * m.TexelBytes()
	if size > row {
		return nil, false
	}
	at, inside := [3]int{int(x), int(y), int(slice)}, true
	for i, last := range [3]int{row - size, m.Height - 1, m.Depth - 1} {
		if at[i] < 0 || at[i] > last {
			inside = false
			at[i] = max(0, min(at[i], last))
		}
	}
	if !inside && mode != Nearby {
		return nil, mode == Zero
	}
	return mem.Bytes(m.Base+uint64(at[2])*m.Slice+uint64(at[1])*m.Pitch+uint64(at[0]), uint64(size)), true
}

// Put writes a texel's components from words, with the conversion that the format needs.
func (m *Image) Put(b []byte, words []uint32) {
	for i := range min(m.Channels, len(words)) {
		m.Format.put(b[i*m.Format.Size():], words[i])
	}
}
