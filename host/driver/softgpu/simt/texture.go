// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"slices"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// fetch is a texture instruction: its sources are the layer if there is one, the coordinates, and what detail
// says.
type fetch struct {
	geometry  texture.Geometry
	integer   bool // coordinates
	detail    detail
	component int // of a gather
}

// detail is how an instruction says the level of detail.
type detail uint8

const (
	baseLevel detail = iota
	givenLevel
	gradients
	gather
)

// translateTex is tex in all its forms, with textures by handle or by the name of a reference.
func translateTex(c *compiler, m *mods) {
	x := &fetch{}
	operands := 2
	switch m.one("base", "level", "grad") {
	case "level":
		x.detail, operands = givenLevel, 3
	case "grad":
		x.detail, operands = gradients, 4
	}
	c.fetch(m, x, operands)
}

// translateTld4 is tld4: one component of four texels.
func translateTld4(c *compiler, m *mods) {
	c.fetch(m, &fetch{detail: gather, component: slices.Index([]string{"r", "g", "b", "a"}, m.one("r", "g", "b", "a"))}, 2)
}

func (c *compiler) fetch(m *mods, x *fetch, operands int) {
	c.arity(operands)
	g := m.one("1d", "2d", "3d", "a1d", "a2d", "cube", "acube")
	if g == "" || !m.has("v4") || x.component < 0 {
		c.unsupported()
	}
	x.geometry = texture.Geometries[g]
	result, coordinate := m.typ(), m.typ()
	x.integer = coordinate == ptx.S32
	if result.Size() != 4 || result == ptx.F16x2 || !x.integer && coordinate != ptx.F32 {
		c.unsupported()
	}
	in := instr{exec: execFetch, x: x}
	to := c.operand(0)
	if to.Kind != ptx.Vector || len(to.Elems) != 4 {
		c.unsupported()
	}
	for _, e := range to.Elems {
		in.ds = append(in.ds, c.dest(e))
	}
	dims := x.geometry.Dims()
	where := c.image(&in, c.operand(1))
	if x.geometry.Layered() {
		in.ss = append(in.ss, c.value(c.element(where, 0), ptx.U32))
		where = where[1:]
	}
	for i := range dims {
		in.ss = append(in.ss, c.value(c.element(where, i), coordinate))
	}
	switch x.detail {
	case givenLevel:
		in.ss = append(in.ss, c.value(c.operand(2), coordinate))
	case gradients:
		for _, o := range []ptx.Operand{c.operand(2), c.operand(3)} {
			for i := range dims {
				in.ss = append(in.ss, c.value(c.element(elements(o), i), ptx.F32))
			}
		}
	}
	c.add(in)
}

// image reads [texture, {coordinates}] and returns the coordinates.
func (c *compiler) image(in *instr, o ptx.Operand) []ptx.Operand {
	if o.Kind != ptx.Memory || len(o.Elems) != 1 || o.Value != 0 { // two: a sampler beside the texture
		c.unsupported()
	}
	in.a = c.value(ptx.Operand{Kind: ptx.Ident, Name: o.Name}, ptx.B64)
	return elements(o.Elems[0])
}

// elements are those of a vector, or an operand itself.
func elements(o ptx.Operand) []ptx.Operand {
	if o.Kind == ptx.Vector {
		return o.Elems
	}
	return []ptx.Operand{o}
}

func (c *compiler) element(list []ptx.Operand, i int) ptx.Operand {
	if i >= len(list) {
		c.invalid("%s has %d coordinates", c.in.Name(), len(list))
	}
	return list[i]
}

// texture finds the texture of a handle. Lanes usually have the same: last is the one found before.
func (w *warp) texture(lane int, handle uint64, last *texture.Texture, of uint64) *texture.Texture {
	if last != nil && handle == of {
		return last
	}
	var t *texture.Texture
	if f := w.block.launch.Machine.Texture; f != nil {
		t = f(handle)
	}
	if t == nil {
		w.raise(IllegalAddress, lane, handle, "no texture has this handle")
	}
	return t
}

func execFetch(w *warp, in *instr) {
	x := in.x.(*fetch)
	var t *texture.Texture
	var of uint64
	for lane := range 32 {
		if w.mask>>lane&1 == 0 {
			continue
		}
		handle := w.regs[in.a][lane]
		t = w.texture(lane, handle, t, of)
		of = handle
		for i, v := range x.run(w, in, lane, t) {
			w.regs[in.ds[i]][lane] = uint64(v)
		}
	}
}

// run fetches for one lane.
func (x *fetch) run(w *warp, in *instr, lane int, t *texture.Texture) texture.Texel {
	source := in.ss
	take := func() uint32 {
		v := uint32(w.regs[source[0]][lane])
		source = source[1:]
		return v
	}
	var p texture.Position
	if x.geometry.Layered() {
		p.Layer = take()
	}
	dims := x.geometry.Dims()
	if x.integer {
		var at [3]int32
		for i := range dims {
			at[i] = int32(take())
		}
		level := int32(0)
		if x.detail == givenLevel {
			level = int32(take())
		}
		return t.Fetch(x.geometry, p.Layer, at, level)
	}
	for i := range dims {
		p.At[i] = math.Float32frombits(take())
	}
	switch x.detail {
	case gather:
		return t.Gather(x.geometry, p, x.component)
	case givenLevel:
		p.LOD = math.Float32frombits(take())
	case gradients:
		var d [2][3]float32
		for k := range d {
			for i := range dims {
				d[k][i] = math.Float32frombits(take())
			}
		}
		p.LOD = t.Level(x.geometry, d[0], d[1])
	}
	return t.Sample(x.geometry, p)
}

// translateQuery is txq and suq: a property of an image.
func translateQuery(surface bool) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		c.arity(2)
		what := m.one("width", "height", "depth", "array_size", "num_mipmap_levels", "normalized_coords")
		if m.typ() != ptx.B32 || what == "" || surface && what == "num_mipmap_levels" || surface && what == "normalized_coords" {
			c.unsupported()
		}
		o := c.operand(1)
		if o.Kind != ptx.Memory || len(o.Elems) > 0 || o.Value != 0 {
			c.unsupported()
		}
		a := c.value(ptx.Operand{Kind: ptx.Ident, Name: o.Name}, ptx.B64)
		c.add(instr{exec: execQuery, d: c.dest(c.operand(0)), a: a, x: what, qneg: surface})
	}
}

func execQuery(w *warp, in *instr) {
	d, a := w.dst(in), w.regs[in.a]
	for lane := range 32 {
		if w.mask>>lane&1 == 0 {
			continue
		}
		var m *texture.Image
		var t *texture.Texture
		if in.qneg {
			m = w.surface(lane, a[lane])
		} else {
			t = w.texture(lane, a[lane], nil, 0)
			m = t.Levels[0]
		}
		switch in.x {
		case "width":
			d[lane] = uint64(m.Width)
		case "height":
			d[lane] = uint64(m.Height)
		case "depth", "array_size":
			d[lane] = uint64(m.Depth)
		case "num_mipmap_levels":
			d[lane] = uint64(len(t.Levels))
		case "normalized_coords":
			d[lane] = 0
			if t.Normalized {
				d[lane] = 1<<32 - 1
			}
		}
	}
	w.commit(in)
}
