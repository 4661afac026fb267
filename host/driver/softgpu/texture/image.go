// SPDX-License-Identifier: Apache-2.0

package texture

import "github.com/orion-vgpu/orion/host/driver/softgpu/mem"

// Image is texels in memory: slices of rows. Depth counts the layers of a layered image, six for a cube.
type Image struct {
	Format               Format
	Channels             int // 1, 2 or 4
	Width, Height, Depth int // texels, at least 1 each
	Base                 uint64
	Pitch, Slice         uint64 // bytes from row to row and from slice to slice
}

// TexelBytes is the size of a texel.
func (m *Image) TexelBytes() int { return m.Format.Size() * m.Channels }

// bytes is the memory of a texel, which lies within the image.
func (m *Image) bytes(x, y, z int) []byte {
	n := uint64(m.TexelBytes())
	return mem.Bytes(m.Base+uint64(z)*m.Slice+uint64(y)*m.Pitch+uint64(x)*n, n)
}

// raw reads a texel without promotion. What it has no channel for is 0, and 1 for the fourth.
func (m *Image) raw(x, y, z int) (t Texel) {
	t[3] = 1
	if m.Format.float() {
		t[3] = 0x3f800000
	}
	b := m.bytes(x, y, z)
	for i := range m.Channels {
		t[i] = m.Format.component(b[i*m.Format.Size():])
	}
	return t
}

// color reads a texel as floats.
func (m *Image) color(x, y, z int) (c Color) {
	c[3] = 1
	b := m.bytes(x, y, z)
	for i := range m.Channels {
		c[i] = m.Format.promote(m.Format.component(b[i*m.Format.Size():]))
	}
	return c
}

// level is the smaller image of a mipmap's dimension: at least 1.
func shrink(n, level int) int { return max(n>>level, 1) }

// LevelSize gives the size of a level of a mipmapped image.
func LevelSize(width, height, depth, level int) (int, int, int) {
	return shrink(width, level), shrink(height, level), shrink(depth, level)
}
