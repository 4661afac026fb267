// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// surfaceOp is a surface instruction. Its sources are the coordinates, then the values.
type surfaceOp struct {
	geometry texture.Geometry
	boundary texture.Boundary
	size     int // bytes of an element
	elements int
	texels   bool // x counts texels, and values are converted
	dims     int
	atomic   *atomicOp
}

// surfaceForm reads what suld, sust and sured have in common.
func (c *compiler) surfaceForm(m *mods) (*surfaceOp, ptx.Type) {
	m.hints()
	form := m.one("b", "p")
	g := m.one("1d", "2d", "3d", "a1d", "a2d")
	boundary := m.one("trap", "clamp", "zero")
	if form == "" || g == "" || boundary == "" {
		c.unsupported()
	}
	x := &surfaceOp{geometry: texture.Geometries[g], boundary: texture.Boundaries[boundary], texels: form == "p", elements: 1}
	x.dims = x.geometry.Dims()
	if x.geometry.Layered() {
		x.dims++
	}
	t := m.typ()
	if t.Size() == 0 || t.Size() > 8 {
		c.unsupported()
	}
	x.size = t.Size()
	return x, t
}

// surfaceAt reads [surface, {coordinates}]; a layer comes first in PTX and last here.
func (c *compiler) surfaceAt(in *instr, x *surfaceOp, o ptx.Operand) {
	where := c.image(in, o)
	at := make([]int32, x.dims)
	for i := range x.dims {
		at[i] = c.value(c.element(where, i), ptx.B32)
	}
	if x.geometry.Layered() {
		at = append(at[1:], at[0])
	}
	in.ss = append(at, in.ss...)
}

// values checks a vector's length.
func (c *compiler) vectorOf(m *mods, o ptx.Operand) []ptx.Operand {
	want := 1
	if v := m.one("v2", "v4"); v != "" {
		want = int(v[1] - '0')
	}
	list := elements(o)
	if len(list) != want {
		c.invalid("%s has %d values", c.in.Name(), len(list))
	}
	return list
}

func translateSuld(c *compiler, m *mods) {
	c.arity(2)
	to := c.vectorOf(m, c.operand(0))
	x, _ := c.surfaceForm(m)
	x.elements = len(to)
	in := instr{exec: execSurfaceLoad, x: x}
	c.surfaceAt(&in, x, c.operand(1))
	for _, e := range to {
		in.ds = append(in.ds, c.dest(e))
	}
	if x.texels || x.size*x.elements > 16 {
		c.unsupported()
	}
	c.add(in)
}

func translateSust(c *compiler, m *mods) {
	c.arity(2)
	from := c.vectorOf(m, c.operand(1))
	x, t := c.surfaceForm(m)
	x.elements = len(from)
	in := instr{exec: execSurfaceStore, x: x}
	for _, e := range from {
		in.ss = append(in.ss, c.value(e, t))
	}
	c.surfaceAt(&in, x, c.operand(0))
	if x.size*x.elements > 16 || x.texels && x.size != 4 {
		c.unsupported()
	}
	c.add(in)
}

func translateSured(c *compiler, m *mods) {
	c.arity(2)
	op := m.one("add", "min", "max", "and", "or")
	x, t := c.surfaceForm(m)
	if x.size < 4 || t.Float() {
		c.unsupported()
	}
	x.atomic = &atomicOp{size: uint64(x.size), update: atomicUpdate(c, op, t)}
	in := instr{exec: execSurfaceReduce, x: x, ss: []int32{c.value(c.operand(1), t)}}
	c.surfaceAt(&in, x, c.operand(0))
	c.add(in)
}

func (w *warp) surface(lane int, handle uint64) *texture.Image {
	var m *texture.Image
	if f := w.block.launch.Machine.Surface; f != nil {
		m = f(handle)
	}
	if m == nil {
		w.raise(IllegalAddress, lane, handle, "no surface has this handle")
	}
	return m
}

// memory is what an access of a lane names; nil where it is to be ignored.
func (x *surfaceOp) memory(w *warp, in *instr, lane int) (*texture.Image, []byte) {
	m := w.surface(lane, w.regs[in.a][lane])
	var at [3]int32
	for i := range x.dims {
		at[i] = int32(uint32(w.regs[in.ss[i]][lane]))
	}
	size, slice := x.size*x.elements, at[2]
	if x.geometry == texture.A1D {
		at[1], slice = 0, at[1]
	}
	if x.texels {
		size = m.TexelBytes()
		at[0] = max(-1, min(at[0], 1<<26)) * int32(size)
	}
	b, ok := m.Bytes(x.boundary, at[0], at[1], slice, size)
	if !ok {
		w.raise(Trap, lane, 0, "an access beyond a surface")
	}
	if b != nil && uintptr(unsafe.Pointer(&b[0]))%uintptr(x.size) != 0 && !x.texels {
		w.raise(Misaligned, lane, uint64(uintptr(unsafe.Pointer(&b[0]))), "of a surface")
	}
	return m, b
}

func execSurfaceLoad(w *warp, in *instr) {
	x := in.x.(*surfaceOp)
	for lane := range 32 {
		if w.mask>>lane&1 == 0 {
			continue
		}
		_, b := x.memory(w, in, lane)
		for k, d := range in.ds {
			v := uint64(0)
			if b != nil {
				v = loadBits(unsafe.Pointer(&b[k*x.size]), uint64(x.size))
			}
			w.regs[d][lane] = v
		}
	}
}

func execSurfaceStore(w *warp, in *instr) {
	x := in.x.(*surfaceOp)
	values := in.ss[x.dims:]
	for lane := range 32 {
		if w.mask>>lane&1 == 0 {
			continue
		}
		m, b := x.memory(w, in, lane)
		if b == nil {
			continue
		}
		if x.texels {
			words := make([]uint32, len(values))
			for k, s := range values {
				words[k] = uint32(w.regs[s][lane])
			}
			m.Put(b, words)
			continue
		}
		for k, s := range values {
			storeBits(unsafe.Pointer(&b[k*x.size]), uint64(x.size), w.regs[s][lane])
		}
	}
}

func execSurfaceReduce(w *warp, in *instr) {
	x := in.x.(*surfaceOp)
	value := in.ss[x.dims]
	for lane := range 32 {
		if w.mask>>lane&1 == 0 {
			continue
		}
		_, b := x.memory(w, in, lane)
		if b == nil {
			continue
		}
		x.atomic.apply(unsafe.Pointer(&b[0]), w.regs[value][lane], 0)
	}
}
