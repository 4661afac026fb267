// SPDX-License-Identifier: Apache-2.0

package texture

import "math"

// Mode is a CUaddress_mode: what lies beyond an image's edge.
type Mode uint32

// The address modes.
const (
	Wrap Mode = iota
	Clamp
	Mirror
	Border
)

// Geometry says how coordinates are meant.
type Geometry uint8

// The geometries, as PTX names them.
const (
	D1 Geometry = iota
	D2
	D3
	A1D // layers of 1D images
	A2D
	Cube
	CubeArray
)

// Geometries by their names in PTX.
var Geometries = map[string]Geometry{"1d": D1, "2d": D2, "3d": D3, "a1d": A1D, "a2d": A2D, "cube": Cube, "acube": CubeArray}

// Layered says whether the first coordinate is the number of a layer.
func (g Geometry) Layered() bool { return g == A1D || g == A2D || g == CubeArray }

// Dims is the number of coordinates, the layer not counted.
func (g Geometry) Dims() int {
	switch g {
	case D1, A1D:
		return 1
	case D2, A2D:
		return 2
	}
	return 3
}

// Texture is an image, or the levels of a mipmapped one, and how it is sampled.
type Texture struct {
	Levels     []*Image
	Address    [3]Mode
	Linear     bool // filter
	Normalized bool // coordinates are in [0, 1)
	Integer    bool // integers are not promoted to floats
	SRGB       bool
	Linear1D   bool // plain memory: reads beyond its end give 0
	BorderOf   Color

	MipLinear        bool
	Bias             float32
	MinClamp, MaxLOD float32
}

// Position is where to sample: a layer, coordinates, the level of detail.
type Position struct {
	Layer uint32
	At    [3]float32
	LOD   float32
}

// Sample gives what a fetch with float coordinates returns.
func (t *Texture) Sample(g Geometry, p Position) Texel {
	lod := float64(p.LOD + t.Bias)
	if len(t.Levels) > 1 {
		lod = math.Max(float64(t.MinClamp), math.Min(lod, float64(t.MaxLOD)))
	}
	lod = math.Max(0, math.Min(lod, float64(len(t.Levels)-1)))
	if math.IsNaN(lod) {
		lod = 0
	}
	if !t.MipLinear || len(t.Levels) == 1 || !t.promotes(t.Levels[0]) {
		return t.level(g, p, t.Levels[int(math.Floor(lod+0.5))])
	}
	low := int(lod)
	weight := fraction(lod - float64(low))
	a := t.filter(g, p, t.Levels[low])
	if weight > 0 {
		b := t.filter(g, p, t.Levels[low+1])
		for i := range a {
			a[i] += (b[i] - a[i]) * weight
		}
	}
	return a.bits()
}

// promotes says whether fetches from an image give floats.
func (t *Texture) promotes(m *Image) bool {
	return m.Format.float() || !t.Integer && m.Format.Size() < 4
}

func (t *Texture) level(g Geometry, p Position, m *Image) Texel {
	if t.promotes(m) {
		return t.filter(g, p, m).bits()
	}
	index, z, inside := t.nearest(g, p, m)
	if !inside {
		return Texel{}
	}
	return m.raw(index[0], index[1], z)
}

// Fetch gives what a fetch with integer coordinates returns: a texel as it is.
func (t *Texture) Fetch(g Geometry, layer uint32, at [3]int32, lod int32) Texel {
	m := t.Levels[max(0, min(int(lod), len(t.Levels)-1))]
	if t.Linear1D && (at[0] < 0 || int(at[0]) >= m.Width) {
		return Texel{}
	}
	sizes := [3]int{m.Width, m.Height, m.Depth}
	var index [3]int
	inside := true
	for i := range g.Dims() {
		mode := t.Address[i]
		if mode != Border {
			mode = Clamp
		}
		ok := false
		index[i], ok = mode.index(int(at[i]), sizes[i])
		inside = inside && ok
	}
	if g.Layered() {
		index[2] = layerOf(layer, m.Depth)
	}
	switch {
	case !inside && t.promotes(m):
		return t.border().bits()
	case !inside:
		return Texel{}
	case t.promotes(m):
		return t.texel(m, index[0], index[1], index[2]).bits()
	}
	return m.raw(index[0], index[1], index[2])
}

// Gather gives one component of the four texels that a bilinear filter would mix, counterclockwise from the
// lower left.
func (t *Texture) Gather(g Geometry, p Position, component int) (out Texel) {
	m := t.Levels[0]
	p, z, _ := t.place(g, p, m)
	x, y := t.coordinate(g, p.At[0], m.Width)-0.5, t.coordinate(g, p.At[1], m.Height)-0.5
	i, j := int(math.Floor(x)), int(math.Floor(y))
	for k, at := range [4][2]int{{i, j + 1}, {i + 1, j + 1}, {i + 1, j}, {i, j}} {
		a, okA := t.edge(g, 0).index(at[0], m.Width)
		b, okB := t.edge(g, 1).index(at[1], m.Height)
		switch {
		case !(okA && okB) && t.promotes(m):
			out[k] = math.Float32bits(t.BorderOf[component])
		case !(okA && okB):
		case t.promotes(m):
			out[k] = math.Float32bits(t.texel(m, a, b, z)[component])
		default:
			out[k] = m.raw(a, b, z)[component]
		}
	}
	return out
}

// Level is the level of detail of a footprint whose axes in texture coordinates are dx and dy.
func (t *Texture) Level(g Geometry, dx, dy [3]float32) float32 {
	m := t.Levels[0]
	sizes := [3]int{m.Width, m.Height, m.Depth}
	length := func(d [3]float32) (sum float64) {
		for i := range g.Dims() {
			v := float64(d[i])
			if t.Normalized {
				v *= float64(sizes[i])
			}
			sum += v * v
		}
		return math.Sqrt(sum)
	}
	return float32(math.Log2(math.Max(length(dx), length(dy))))
}

func (c Color) bits() (t Texel) {
	for i, v := range c {
		t[i] = math.Float32bits(v)
	}
	return t
}
