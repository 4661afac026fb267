// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// Flags of CUDA_ARRAY3D_DESCRIPTOR.
const (
	arrayLayered = 0x01
	arraySurface = 0x02
	arrayCube    = 0x04
	arrayGather  = 0x08
	arrayServed  = arrayLayered | arraySurface | arrayCube | arrayGather | 0x30 // and hints of graphics
)

// array is an image in the GPU's memory, stored row by row.
type array struct {
	id    uint64
	ctx   *context
	desc  arrayDesc
	image texture.Image
	level bool // of a mipmapped array, which owns the memory
}

// mipmapped is an array of several levels.
type mipmapped struct {
	id     uint64
	ctx    *context
	desc   arrayDesc
	levels []*array
}

// arrayDesc is a CUDA_ARRAY3D_DESCRIPTOR. Height and depth are 0 for dimensions that there are not.
type arrayDesc struct {
	width, height, depth    uint64
	format, channels, flags uint32
}

func parseArray(b []byte) arrayDesc {
	le := binary.LittleEndian
	return arrayDesc{le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint32(b[24:]), le.Uint32(b[28:]), le.Uint32(b[32:])}
}

func (d arrayDesc) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint64(b, d.width)
	le.PutUint64(b[8:], d.height)
	le.PutUint64(b[16:], d.depth)
	le.PutUint32(b[24:], d.format)
	le.PutUint32(b[28:], d.channels)
	le.PutUint32(b[32:], d.flags)
}

// check says whether such an array can be made: sizes are bounded as on real GPUs.
func (d arrayDesc) check() driver.Result {
	const side, layers, volume = 131072, 2048, 16384
	limit := uint64(side)
	if d.depth > 0 && d.flags&(arrayLayered|arrayCube) == 0 {
		limit = volume
	}
	if d.width == 0 || d.width > limit || d.height > limit || d.depth > volume || d.flags&arrayLayered != 0 && d.depth > 6*layers {
		return driver.ErrorInvalidValue
	}
	if d.channels != 1 && d.channels != 2 && d.channels != 4 {
		return driver.ErrorInvalidValue
	}
	if texture.Format(d.format).Size() == 0 || d.flags&^arrayServed != 0 { // sparse, planar, block-compressed
		return driver.ErrorNotSupported
	}
	if d.flags&arrayLayered != 0 && d.depth == 0 || d.depth > 0 && d.height == 0 && d.flags&arrayLayered == 0 {
		return driver.ErrorInvalidValue
	}
	if d.flags&arrayCube != 0 && (d.width != d.height || d.depth%6 != 0 || d.depth == 0 || d.flags&arrayLayered == 0 && d.depth != 6) {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// image is how such an array lies in memory.
func (d arrayDesc) image() texture.Image {
	m := texture.Image{Format: texture.Format(d.format), Channels: int(d.channels), Width: int(d.width),
		Height: max(int(d.height), 1), Depth: max(int(d.depth), 1)}
	const align = 32 // so that any access within a row is aligned as in plain memory
	m.Pitch = (uint64(m.Width*m.TexelBytes()) + align - 1) &^ (align - 1)
	m.Slice = m.Pitch * uint64(m.Height)
	return m
}

// newArray allocates in a context.
func (c *context) newArray(d arrayDesc) (*array, driver.Result) {
	if r := d.check(); r != driver.Success {
		return nil, r
	}
	a := &array{ctx: c, desc: d, image: d.image()}
	base, err := c.dev.alloc(a.image.Slice*uint64(a.image.Depth), mem.Range{Symbol: true})
	if err != nil {
		return nil, driver.ErrorOutOfMemory
	}
	a.image.Base = base
	c.mu.Lock()
	c.owned[base] = struct{}{}
	c.mu.Unlock()
	a.id = c.d.handles.add(a)
	return a, driver.Success
}

func (a *array) free() {
	a.ctx.d.handles.remove(a.id)
	a.ctx.d.release(a.ctx.dev, a.image.Base)
}

func (t *thread) makeArray(d arrayDesc) (driver.Array, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	a, r := c.newArray(d)
	if r != driver.Success {
		return 0, r
	}
	return driver.Array(a.id), driver.Success
}

// ArrayCreate takes a CUDA_ARRAY_DESCRIPTOR: width, height, format, channels.
func (t *thread) ArrayCreate(b []byte) (driver.Array, driver.Result) {
	le := binary.LittleEndian
	return t.makeArray(arrayDesc{width: le.Uint64(b), height: le.Uint64(b[8:]), format: le.Uint32(b[16:]), channels: le.Uint32(b[20:]),
		flags: arraySurface})
}

func (t *thread) Array3DCreate(b []byte) (driver.Array, driver.Result) {
	return t.makeArray(parseArray(b))
}

func (t *thread) ArrayGetDescriptor(b []byte, h driver.Array) driver.Result {
	a, r := find[*array](t.d, h)
	if r != driver.Success {
		return r
	}
	le := binary.LittleEndian
	le.PutUint64(b, a.desc.width)
	le.PutUint64(b[8:], a.desc.height)
	le.PutUint32(b[16:], a.desc.format)
	le.PutUint32(b[20:], a.desc.channels)
	return driver.Success
}

func (t *thread) Array3DGetDescriptor(b []byte, h driver.Array) driver.Result {
	a, r := find[*array](t.d, h)
	if r == driver.Success {
		a.desc.put(b)
	}
	return r
}

// ArrayDestroy waits for what may be using the array.
func (t *thread) ArrayDestroy(h driver.Array) driver.Result {
	a, r := find[*array](t.d, h)
	if r != driver.Success {
		return r
	}
	if a.level {
		return driver.ErrorInvalidValue
	}
	a.ctx.wait()
	a.free()
	return driver.Success
}

// ArrayGetPlane: no array has planes here.
func (t *thread) ArrayGetPlane(h driver.Array, _ uint32) (driver.Array, driver.Result) {
	if _, r := find[*array](t.d, h); r != driver.Success {
		return 0, r
	}
	return 0, driver.ErrorInvalidValue
}

// Sparse arrays are not made here, so that there are no properties of theirs.
func (t *thread) ArrayGetSparseProperties(_ []byte, h driver.Array) driver.Result {
	if _, r := find[*array](t.d, h); r != driver.Success {
		return r
	}
	return driver.ErrorInvalidValue
}

func (t *thread) MipmappedArrayGetSparseProperties(_ []byte, h driver.MipmappedArray) driver.Result {
	if _, r := find[*mipmapped](t.d, h); r != driver.Success {
		return r
	}
	return driver.ErrorInvalidValue
}

// Memory requirements are those of arrays whose memory is mapped later, which are not made here.
func (t *thread) ArrayGetMemoryRequirements(_ []byte, h driver.Array, _ driver.Device) driver.Result {
	return t.ArrayGetSparseProperties(nil, h)
}

func (t *thread) MipmappedArrayGetMemoryRequirements(_ []byte, h driver.MipmappedArray, _ driver.Device) driver.Result {
	return t.MipmappedArrayGetSparseProperties(nil, h)
}

func (t *thread) MipmappedArrayCreate(b []byte, levels uint32) (driver.MipmappedArray, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	m := &mipmapped{ctx: c, desc: parseArray(b)}
	if r := m.desc.check(); r != driver.Success {
		return 0, r
	}
	most := uint32(1)
	for size := max(m.desc.width, m.desc.height, m.desc.depth); size > 1; size /= 2 {
		most++
	}
	for level := range max(1, min(levels, most)) {
		d := m.desc
		d.width = max(d.width>>level, 1)
		if d.height > 0 {
			d.height = max(d.height>>level, 1)
		}
		if d.depth > 0 && d.flags&(arrayLayered|arrayCube) == 0 {
			d.depth = max(d.depth>>level, 1)
		}
		a, r := c.newArray(d)
		if r != driver.Success {
			m.free()
			return 0, r
		}
		a.level = true
		m.levels = append(m.levels, a)
	}
	m.id = t.d.handles.add(m)
	return driver.MipmappedArray(m.id), driver.Success
}

func (m *mipmapped) free() {
	for _, a := range m.levels {
		a.free()
	}
	m.ctx.d.handles.remove(m.id)
}

func (t *thread) MipmappedArrayGetLevel(h driver.MipmappedArray, level uint32) (driver.Array, driver.Result) {
	m, r := find[*mipmapped](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	if level >= uint32(len(m.levels)) {
		return 0, driver.ErrorInvalidValue
	}
	return driver.Array(m.levels[level].id), driver.Success
}

func (t *thread) MipmappedArrayDestroy(h driver.MipmappedArray) driver.Result {
	m, r := find[*mipmapped](t.d, h)
	if r != driver.Success {
		return r
	}
	m.ctx.wait()
	m.free()
	return driver.Success
}
