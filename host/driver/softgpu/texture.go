// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// CUresourcetype.
const (
	resourceArray = iota
	resourceMipmap
	resourceLinear
	resourcePitch
)

// Flags of CUDA_TEXTURE_DESC and of texture references.
const (
	textureInteger    = 0x01
	textureNormalized = 0x02
	textureSRGB       = 0x10
)

// texObject is a texture object: its descriptions. What kernels sample is in Driver.sampled.
type texObject struct {
	id             uint64
	res, tex, view []byte
}

// surfObject is a surface object.
type surfObject struct {
	id  uint64
	res []byte
}

// images reads a CUDA_RESOURCE_DESC.
func (d *Driver) images(b []byte) ([]*texture.Image, driver.Result) {
	le := binary.LittleEndian
	kind, handle := le.Uint32(b), le.Uint64(b[8:])
	switch kind {
	case resourceArray:
		a, r := find[*array](d, handle)
		if r != driver.Success {
			return nil, r
		}
		m := a.image
		return []*texture.Image{&m}, driver.Success
	case resourceMipmap:
		m, r := find[*mipmapped](d, handle)
		if r != driver.Success {
			return nil, r
		}
		var list []*texture.Image
		for _, a := range m.levels {
			m := a.image
			list = append(list, &m)
		}
		return list, driver.Success
	case resourceLinear, resourcePitch:
		m, r := d.plain(handle, le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:]), kind == resourcePitch)
		return []*texture.Image{m}, r
	}
	return nil, driver.ErrorInvalidValue
}

// plain is an image in ordinary memory: size is its bytes, or texels of a row where there is a pitch.
func (d *Driver) plain(base uint64, format, channels uint32, size, height, pitch uint64, pitched bool) (*texture.Image, driver.Result) {
	const most = 1 << 28
	m := &texture.Image{Format: texture.Format(format), Channels: int(channels), Height: 1, Depth: 1, Base: base}
	if m.Format.Size() == 0 {
		return nil, driver.ErrorNotSupported
	}
	if channels != 1 && channels != 2 && channels != 4 {
		return nil, driver.ErrorInvalidValue
	}
	n := uint64(m.TexelBytes())
	if !pitched {
		size, height, pitch = size/n, 1, size
		// NVIDIA's driver takes more than was allocated (its convolutionFFT2D relies on that). Texels beyond read as 0.
		if size <= most {
			size = d.space.Live(base, size*n) / n
		}
	}
	if base%n != 0 || size == 0 || size > most || height == 0 || height > most || pitch > 1<<32 || pitch < size*n ||
		!d.space.Holds(base, (height-1)*pitch+size*n) {
		return nil, driver.ErrorInvalidValue
	}
	m.Width, m.Height, m.Pitch, m.Slice = int(size), int(height), pitch, pitch*height
	return m, driver.Success
}

// sampler reads a CUDA_TEXTURE_DESC.
func sampler(b []byte) (*texture.Texture, driver.Result) {
	le := binary.LittleEndian
	t := &texture.Texture{Linear: le.Uint32(b[12:]) == 1, MipLinear: le.Uint32(b[24:]) == 1}
	for i := range t.Address {
		t.Address[i] = texture.Mode(le.Uint32(b[4*i:]))
		if t.Address[i] > texture.Border {
			return nil, driver.ErrorInvalidValue
		}
	}
	if le.Uint32(b[12:]) > 1 || le.Uint32(b[24:]) > 1 {
		return nil, driver.ErrorInvalidValue
	}
	setFlags(t, le.Uint32(b[16:]))
	t.Bias, t.MinClamp, t.MaxLOD = float(b[28:]), float(b[32:]), float(b[36:])
	for i := range t.BorderOf {
		t.BorderOf[i] = float(b[40+4*i:])
	}
	return t, driver.Success
}

func float(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }

func setFlags(t *texture.Texture, flags uint32) {
	t.Integer, t.Normalized, t.SRGB = flags&textureInteger != 0, flags&textureNormalized != 0, flags&textureSRGB != 0
}

// viewed applies a CUDA_RESOURCE_VIEW_DESC: fewer levels or layers, another format of the same size.
func viewed(list []*texture.Image, b []byte) ([]*texture.Image, driver.Result) {
	le := binary.LittleEndian
	firstLevel, lastLevel, firstLayer, lastLayer := le.Uint32(b[32:]), le.Uint32(b[36:]), le.Uint32(b[40:]), le.Uint32(b[44:])
	if lastLevel < firstLevel || lastLevel >= uint32(len(list)) || lastLayer < firstLayer {
		return nil, driver.ErrorInvalidValue
	}
	list = slices.Clone(list[firstLevel : lastLevel+1])
	format, channels, ok := viewFormat(le.Uint32(b))
	if !ok {
		return nil, driver.ErrorNotSupported
	}
	for _, m := range list {
		if format != 0 {
			if format.Size()*channels != m.TexelBytes() {
				return nil, driver.ErrorInvalidValue
			}
			m.Format, m.Channels = format, channels
		}
		if lastLayer > 0 {
			if lastLayer >= uint32(m.Depth) {
				return nil, driver.ErrorInvalidValue
			}
			m.Base += uint64(firstLayer) * m.Slice
			m.Depth = int(lastLayer - firstLayer + 1)
		}
	}
	return list, driver.Success
}

// viewFormat reads a CUresourceViewFormat; that of none is 0. Those of compressed blocks are not served.
func viewFormat(v uint32) (f texture.Format, channels int, ok bool) {
	kinds := []texture.Format{texture.Unsigned8, texture.Signed8, texture.Unsigned16, texture.Signed16, texture.Unsigned32,
		texture.Signed32, texture.Half, texture.Float}
	switch {
	case v == 0:
		return 0, 0, true
	case v > 3*uint32(len(kinds)):
		return 0, 0, false
	}
	return kinds[(v-1)/3], []int{1, 2, 4}[(v-1)%3], true
}

func (t *thread) TexObjectCreate(res, tex, view []byte) (uint64, driver.Result) {
	if _, r := t.context(); r != driver.Success {
		return 0, r
	}
	if tex == nil {
		return 0, driver.ErrorInvalidValue
	}
	list, r := t.d.images(res)
	if r != driver.Success {
		return 0, r
	}
	s, r := sampler(tex)
	if r != driver.Success {
		return 0, r
	}
	if view != nil {
		if kind := binary.LittleEndian.Uint32(res); kind > resourceMipmap {
			return 0, driver.ErrorInvalidValue
		}
		if list, r = viewed(list, view); r != driver.Success {
			return 0, r
		}
	}
	s.Levels = list
	s.Linear1D = binary.LittleEndian.Uint32(res) == resourceLinear
	o := &texObject{res: slices.Clone(res), tex: slices.Clone(tex), view: slices.Clone(view)}
	o.id = t.d.handles.add(o)
	t.d.sampled.Store(o.id, s)
	return o.id, driver.Success
}

// retire takes an object's handle from the API at once, and from kernels when those launched so far have ended: programs
// destroy an object right behind the launch that uses it, which NVIDIA's driver lets them do.
func (d *Driver) retire(id uint64) {
	d.handles.remove(id)
	go func() {
		d.eachContext((*context).wait)
		d.sampled.Delete(id)
	}()
}

func (t *thread) TexObjectDestroy(h uint64) driver.Result {
	o, r := find[*texObject](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	t.d.retire(o.id)
	return driver.Success
}

func (t *thread) TexObjectGetResourceDesc(b []byte, h uint64) driver.Result {
	o, r := find[*texObject](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	copy(b, o.res)
	return driver.Success
}

func (t *thread) TexObjectGetTextureDesc(b []byte, h uint64) driver.Result {
	o, r := find[*texObject](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	copy(b, o.tex)
	return driver.Success
}

func (t *thread) TexObjectGetResourceViewDesc(b []byte, h uint64) driver.Result {
	o, r := find[*texObject](t.d, h)
	if r != driver.Success || o.view == nil {
		return driver.ErrorInvalidValue
	}
	copy(b, o.view)
	return driver.Success
}

func (t *thread) SurfObjectCreate(res []byte) (uint64, driver.Result) {
	if _, r := t.context(); r != driver.Success {
		return 0, r
	}
	if binary.LittleEndian.Uint32(res) != resourceArray {
		return 0, driver.ErrorInvalidValue
	}
	a, r := find[*array](t.d, binary.LittleEndian.Uint64(res[8:]))
	if r != driver.Success {
		return 0, r
	}
	// The flag that a surface reference asks of its array is not asked here: programs draw levels of textures so.
	m := a.image
	o := &surfObject{res: slices.Clone(res)}
	o.id = t.d.handles.add(o)
	t.d.sampled.Store(o.id, &m)
	return o.id, driver.Success
}

func (t *thread) SurfObjectDestroy(h uint64) driver.Result {
	o, r := find[*surfObject](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	t.d.retire(o.id)
	return driver.Success
}

func (t *thread) SurfObjectGetResourceDesc(b []byte, h uint64) driver.Result {
	o, r := find[*surfObject](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	copy(b, o.res)
	return driver.Success
}
