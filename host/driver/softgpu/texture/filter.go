// SPDX-License-Identifier: Apache-2.0

package texture

import "math"

// fraction is a filter's weight: 9 bits of fixed point, of which 8 are of the fraction, so that 1 is exact.
func fraction(f float64) float32 { return float32(math.Floor(f*256+0.5) / 256) }

// index maps a texel's index into [0, n); ok is false for what the border's colour stands for.
func (m Mode) index(i, n int) (at int, ok bool) {
	if i >= 0 && i < n {
		return i, true
	}
	switch m {
	case Wrap:
		return ((i % n) + n) % n, true
	case Mirror:
		i = ((i % (2 * n)) + 2*n) % (2 * n)
		return min(i, 2*n-1-i), true
	case Border:
		return 0, false
	}
	return max(0, min(i, n-1)), true
}

// mode is the address mode of a dimension: coordinates that count texels can only be clamped or have a border.
func (t *Texture) mode(dim int) Mode {
	if m := t.Address[dim]; t.Normalized || m == Border {
		return m
	}
	return Clamp
}

// scale turns a coordinate into texels, within what an int holds.
func (t *Texture) scale(v float32, n int) float64 {
	x := float64(v)
	if t.Normalized {
		x *= float64(n)
	}
	if math.IsNaN(x) {
		return 0
	}
	return math.Max(-1<<30, math.Min(x, 1<<30))
}

func layerOf(layer uint32, n int) int { return int(max(0, min(int64(int32(layer)), int64(n-1)))) }

// place finds the slice that is sampled in two dimensions, and for cubes the coordinates in it. dims is the
// number of dimensions that a filter works in.
func (t *Texture) place(g Geometry, p Position, m *Image) (at Position, slice, dims int) {
	switch {
	case g == Cube || g == CubeArray:
		at, slice = cubeFace(g, p, m)
		return at, slice, 2
	case g.Layered():
		return p, layerOf(p.Layer, m.Depth), g.Dims()
	}
	return p, 0, g.Dims()
}

// nearest is the texel that a point lies in.
func (t *Texture) nearest(g Geometry, p Position, m *Image) (index [3]int, z int, inside bool) {
	at, slice, dims := t.place(g, p, m)
	sizes := [3]int{m.Width, m.Height, m.Depth}
	inside = true
	for i := range dims {
		var ok bool
		index[i], ok = t.edge(g, i).index(int(math.Floor(t.coordinate(g, at.At[i], sizes[i]))), sizes[i])
		inside = inside && ok
	}
	if dims == 3 {
		slice = index[2]
	}
	return index, slice, inside
}

// edge is the address mode of a dimension. Faces of cubes are clamped.
func (t *Texture) edge(g Geometry, dim int) Mode {
	if g == Cube || g == CubeArray {
		return Clamp
	}
	return t.mode(dim)
}

// coordinate is scale, with coordinates on a cube's face in [0, 1] always.
func (t *Texture) coordinate(g Geometry, v float32, n int) float64 {
	if g == Cube || g == CubeArray {
		return float64(v) * float64(n)
	}
	return t.scale(v, n)
}

// filter samples an image, by the nearest texel or a weighted sum of the two in each dimension.
func (t *Texture) filter(g Geometry, p Position, m *Image) (sum Color) {
	if !t.Linear || t.Linear1D {
		index, z, inside := t.nearest(g, p, m)
		if !inside || t.Linear1D && outside(t.coordinate(g, p.At[0], m.Width), m.Width) {
			return t.border()
		}
		return t.texel(m, index[0], index[1], z)
	}
	at, slice, dims := t.place(g, p, m)
	sizes := [3]int{m.Width, m.Height, m.Depth}
	var index [3][2]int
	var inside [3][2]bool
	weights := [3][2]float32{{1, 0}, {1, 0}, {1, 0}}
	for i := range dims {
		x := t.coordinate(g, at.At[i], sizes[i]) - 0.5
		low := math.Floor(x)
		w := fraction(x - low)
		weights[i] = [2]float32{1 - w, w}
		for k := range 2 {
			index[i][k], inside[i][k] = t.edge(g, i).index(int(low)+k, sizes[i])
		}
	}
	for corner := range 1 << dims {
		weight, in := float32(1), true
		var c [3]int
		for i := range dims {
			k := corner >> i & 1
			weight *= weights[i][k]
			in = in && inside[i][k]
			c[i] = index[i][k]
		}
		if weight == 0 {
			continue
		}
		if dims < 3 {
			c[2] = slice
		}
		v := t.border()
		if in {
			v = t.texel(m, c[0], c[1], c[2])
		}
		for i := range sum {
			sum[i] += weight * v[i]
		}
	}
	return sum
}

func outside(x float64, n int) bool { return x < 0 || x >= float64(n) }

func (t *Texture) border() Color {
	if t.Linear1D {
		return Color{}
	}
	return t.BorderOf
}

// texel is a texel's colour, out of sRGB where that is asked.
func (t *Texture) texel(m *Image, x, y, z int) Color {
	c := m.color(x, y, z)
	if t.SRGB && m.Format == Unsigned8 {
		for i := range min(3, m.Channels) {
			v := float64(c[i])
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			c[i] = float32(v)
		}
	}
	return c
}

// cubeFace finds the face that a direction points to, and where on it.
func cubeFace(g Geometry, p Position, m *Image) (Position, int) {
	x, y, z := float64(p.At[0]), float64(p.At[1]), float64(p.At[2])
	ax, ay, az := math.Abs(x), math.Abs(y), math.Abs(z)
	var face int
	var major, s, u float64
	switch {
	case ax >= ay && ax >= az:
		face, major, s, u = 0, ax, -z, -y
		if x < 0 {
			face, s = 1, z
		}
	case ay >= az:
		face, major, s, u = 2, ay, x, z
		if y < 0 {
			face, u = 3, -z
		}
	default:
		face, major, s, u = 4, az, x, -y
		if z < 0 {
			face, s = 5, -x
		}
	}
	if !(major > 0) { // no direction
		major, s, u = 1, 0, 0
	}
	p.At = [3]float32{float32((s/major + 1) / 2), float32((u/major + 1) / 2), 0}
	layer := 0
	if g == CubeArray {
		layer = layerOf(p.Layer, max(m.Depth/6, 1))
	}
	return p, min(layer*6+face, m.Depth-1)
}
