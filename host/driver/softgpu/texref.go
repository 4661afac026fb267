// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"math"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// texRef is a texture reference, of a module or made by itself. Launches take what it is bound to when they
// are made. Driver.references guards it.
type texRef struct {
	id       uint64
	sampler  texture.Texture // without levels
	levels   []*texture.Image
	array    *array
	mipmap   *mipmapped
	address  uint64
	format   texture.Format
	channels uint32
	flags    uint32
	aniso    uint32
}

// surfRef is a surface reference of a module.
type surfRef struct {
	id    uint64
	array *array
}

// newReference makes the reference that a module's variable stands for.
func (d *Driver) newReference(v *ptx.Var) (any, uint64) {
	if v.Type == ptx.Surfref {
		s := &surfRef{}
		s.id = d.handles.add(s)
		return s, s.id
	}
	t := d.newTexRef()
	return t, t.id
}

func (d *Driver) newTexRef() *texRef {
	t := &texRef{format: texture.Float, channels: 1}
	for i := range t.sampler.Address {
		t.sampler.Address[i] = texture.Clamp
	}
	t.id = d.handles.add(t)
	return t
}

// handles are those of a module's references.
func (m *module) handles() (list []uint64) {
	for _, r := range m.references {
		switch r := r.(type) {
		case *texRef:
			list = append(list, r.id)
		case *surfRef:
			list = append(list, r.id)
		}
	}
	return list
}

// bound are a module's references as they are now.
func (m *module) bound() (textures map[uint64]*texture.Texture, surfaces map[uint64]*texture.Image) {
	if len(m.references) == 0 {
		return nil, nil
	}
	d := m.ctx.d
	d.references.Lock()
	defer d.references.Unlock()
	textures, surfaces = map[uint64]*texture.Texture{}, map[uint64]*texture.Image{}
	for _, r := range m.references {
		switch r := r.(type) {
		case *texRef:
			if r.levels != nil {
				t := r.sampler
				t.Levels = r.levels
				textures[r.id] = &t
			}
		case *surfRef:
			if r.array != nil {
				image := r.array.image
				surfaces[r.id] = &image
			}
		}
	}
	return textures, surfaces
}

// texture is what a handle means to a launch: a reference of its module, or an object.
func (o *kernelOp) texture(h uint64) *texture.Texture {
	if t := o.textures[h]; t != nil {
		return t
	}
	return sampled[*texture.Texture](o.f.m.ctx.d, h)
}

func (o *kernelOp) surface(h uint64) *texture.Image {
	if m := o.surfaces[h]; m != nil {
		return m
	}
	return sampled[*texture.Image](o.f.m.ctx.d, h)
}

// sampled is what a texture or surface object's handle means to kernels, or nil.
func sampled[T any](d *Driver, h uint64) (x T) {
	if v, ok := d.sampled.Load(h); ok {
		x, _ = v.(T)
	}
	return x
}

func (t *thread) ModuleGetTexRef(h driver.Module, name string) (driver.TexRef, driver.Result) {
	m, r := find[*module](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	if x, ok := m.references[name].(*texRef); ok {
		return driver.TexRef(x.id), driver.Success
	}
	return 0, driver.ErrorNotFound
}

func (t *thread) ModuleGetSurfRef(h driver.Module, name string) (driver.SurfRef, driver.Result) {
	m, r := find[*module](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	if x, ok := m.references[name].(*surfRef); ok {
		return driver.SurfRef(x.id), driver.Success
	}
	return 0, driver.ErrorNotFound
}

func (t *thread) TexRefCreate() (driver.TexRef, driver.Result) {
	return driver.TexRef(t.d.newTexRef().id), driver.Success
}

func (t *thread) TexRefDestroy(h driver.TexRef) driver.Result {
	x, r := find[*texRef](t.d, h)
	if r == driver.Success {
		t.d.handles.remove(x.id)
	}
	return r
}

// ref runs f on a reference.
func (t *thread) ref(h driver.TexRef, f func(*texRef) driver.Result) driver.Result {
	x, r := find[*texRef](t.d, h)
	if r != driver.Success {
		return r
	}
	t.d.references.Lock()
	defer t.d.references.Unlock()
	return f(x)
}

// unbind forgets what the reference was bound to.
func (x *texRef) unbind() {
	x.array, x.mipmap, x.address, x.levels = nil, nil, 0, nil
	x.sampler.Linear1D = false
}

// TexRefSetArray takes over the array's format, which CU_TRSA_OVERRIDE_FORMAT asks for and cudart leaves out.
func (t *thread) TexRefSetArray(h driver.TexRef, ah driver.Array, _ uint32) driver.Result {
	a, r := find[*array](t.d, ah)
	if r != driver.Success {
		return r
	}
	return t.ref(h, func(x *texRef) driver.Result {
		x.unbind()
		m := a.image
		x.array, x.levels, x.format, x.channels = a, []*texture.Image{&m}, m.Format, uint32(m.Channels)
		return driver.Success
	})
}

func (t *thread) TexRefSetMipmappedArray(h driver.TexRef, mh driver.MipmappedArray, _ uint32) driver.Result {
	m, r := find[*mipmapped](t.d, mh)
	if r != driver.Success {
		return r
	}
	return t.ref(h, func(x *texRef) driver.Result {
		x.unbind()
		x.mipmap = m
		for _, a := range m.levels {
			image := a.image
			x.levels = append(x.levels, &image)
		}
		x.format, x.channels = m.levels[0].image.Format, m.desc.channels
		return driver.Success
	})
}

// TexRefSetAddress binds memory that begins before p where p is not aligned; the offset is what programs add.
func (t *thread) TexRefSetAddress(h driver.TexRef, p driver.DevicePtr, n uint64) (offset uint64, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result {
		if p == 0 && n == 0 {
			x.unbind()
			return driver.Success
		}
		offset = uint64(p) % textureAlign
		if found, ok := t.d.space.Find(uint64(p)); !ok || uint64(p)-offset < found.Lo {
			return driver.ErrorInvalidValue
		}
		m, r := t.d.plain(uint64(p)-offset, uint32(x.format), x.channels, n+offset, 0, 0, false)
		if r != driver.Success {
			return r
		}
		x.unbind()
		x.address, x.levels = uint64(p), []*texture.Image{m}
		x.sampler.Linear1D = true
		return driver.Success
	})
	return offset, r
}

// address2D binds rows of memory, by a CUDA_ARRAY_DESCRIPTOR.
func (t *thread) address2D(h driver.TexRef, desc []byte, p driver.DevicePtr, pitch uint64) driver.Result {
	le := binary.LittleEndian
	m, r := t.d.plain(uint64(p), le.Uint32(desc[16:]), le.Uint32(desc[20:]), le.Uint64(desc), max(le.Uint64(desc[8:]), 1), pitch, true)
	if r != driver.Success {
		return r
	}
	return t.ref(h, func(x *texRef) driver.Result {
		x.unbind()
		x.address, x.levels, x.format, x.channels = uint64(p), []*texture.Image{m}, m.Format, uint32(m.Channels)
		return driver.Success
	})
}

func (t *thread) TexRefSetAddress2DV2(h driver.TexRef, desc []byte, p driver.DevicePtr, pitch uint64) driver.Result {
	return t.address2D(h, desc, p, pitch)
}

func (t *thread) TexRefSetAddress2DV3(h driver.TexRef, desc []byte, p driver.DevicePtr, pitch uint64) driver.Result {
	return t.address2D(h, desc, p, pitch)
}

func (t *thread) TexRefSetFormat(h driver.TexRef, format uint32, channels int32) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result {
		if texture.Format(format).Size() == 0 || channels != 1 && channels != 2 && channels != 4 {
			return driver.ErrorInvalidValue
		}
		x.format, x.channels = texture.Format(format), uint32(channels)
		return driver.Success
	})
}

func (t *thread) TexRefSetAddressMode(h driver.TexRef, dim int32, mode uint32) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result {
		if dim < 0 || dim > 2 || texture.Mode(mode) > texture.Border {
			return driver.ErrorInvalidValue
		}
		x.sampler.Address[dim] = texture.Mode(mode)
		return driver.Success
	})
}

// filterMode sets a CUfilter_mode.
func (t *thread) filterMode(h driver.TexRef, mode uint32, to func(*texRef) *bool) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result {
		if mode > 1 {
			return driver.ErrorInvalidValue
		}
		*to(x) = mode == 1
		return driver.Success
	})
}

func linearFilter(x *texRef) *bool { return &x.sampler.Linear }
func mipmapFilter(x *texRef) *bool { return &x.sampler.MipLinear }

func (t *thread) TexRefSetFilterMode(h driver.TexRef, mode uint32) driver.Result {
	return t.filterMode(h, mode, linearFilter)
}

func (t *thread) TexRefSetMipmapFilterMode(h driver.TexRef, mode uint32) driver.Result {
	return t.filterMode(h, mode, mipmapFilter)
}

func (t *thread) TexRefSetMipmapLevelBias(h driver.TexRef, bias float32) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result { x.sampler.Bias = bias; return driver.Success })
}

func (t *thread) TexRefSetMipmapLevelClamp(h driver.TexRef, least, most float32) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result {
		x.sampler.MinClamp, x.sampler.MaxLOD = least, most
		return driver.Success
	})
}

func (t *thread) TexRefSetMaxAnisotropy(h driver.TexRef, n uint32) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result { x.aniso = n; return driver.Success })
}

func (t *thread) TexRefSetBorderColor(h driver.TexRef, color []byte) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result {
		for i := range x.sampler.BorderOf {
			x.sampler.BorderOf[i] = float(color[4*i:])
		}
		return driver.Success
	})
}

func (t *thread) TexRefSetFlags(h driver.TexRef, flags uint32) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result {
		x.flags = flags
		setFlags(&x.sampler, flags)
		return driver.Success
	})
}

func (t *thread) TexRefGetAddress(h driver.TexRef) (p driver.DevicePtr, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result {
		if x.address == 0 {
			return driver.ErrorInvalidValue
		}
		p = driver.DevicePtr(x.address)
		return driver.Success
	})
	return p, r
}

func (t *thread) TexRefGetArray(h driver.TexRef) (a driver.Array, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result {
		if x.array == nil {
			return driver.ErrorInvalidValue
		}
		a = driver.Array(x.array.id)
		return driver.Success
	})
	return a, r
}

func (t *thread) TexRefGetMipmappedArray(h driver.TexRef) (m driver.MipmappedArray, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result {
		if x.mipmap == nil {
			return driver.ErrorInvalidValue
		}
		m = driver.MipmappedArray(x.mipmap.id)
		return driver.Success
	})
	return m, r
}

func (t *thread) TexRefGetAddressMode(h driver.TexRef, dim int32) (mode uint32, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result {
		if dim < 0 || dim > 2 {
			return driver.ErrorInvalidValue
		}
		mode = uint32(x.sampler.Address[dim])
		return driver.Success
	})
	return mode, r
}

func (t *thread) getFilterMode(h driver.TexRef, of func(*texRef) *bool) (mode uint32, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result {
		if *of(x) {
			mode = 1
		}
		return driver.Success
	})
	return mode, r
}

func (t *thread) TexRefGetFilterMode(h driver.TexRef) (uint32, driver.Result) {
	return t.getFilterMode(h, linearFilter)
}

func (t *thread) TexRefGetMipmapFilterMode(h driver.TexRef) (uint32, driver.Result) {
	return t.getFilterMode(h, mipmapFilter)
}

func (t *thread) TexRefGetFormat(h driver.TexRef) (format uint32, channels int32, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result {
		format, channels = uint32(x.format), int32(x.channels)
		return driver.Success
	})
	return format, channels, r
}

func (t *thread) TexRefGetMipmapLevelBias(h driver.TexRef) (bias float32, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result { bias = x.sampler.Bias; return driver.Success })
	return bias, r
}

func (t *thread) TexRefGetMipmapLevelClamp(h driver.TexRef) (least, most float32, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result {
		least, most = x.sampler.MinClamp, x.sampler.MaxLOD
		return driver.Success
	})
	return least, most, r
}

func (t *thread) TexRefGetMaxAnisotropy(h driver.TexRef) (n int32, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result { n = int32(x.aniso); return driver.Success })
	return n, r
}

func (t *thread) TexRefGetBorderColor(out []byte, h driver.TexRef) driver.Result {
	return t.ref(h, func(x *texRef) driver.Result {
		for i, v := range x.sampler.BorderOf {
			binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(v))
		}
		return driver.Success
	})
}

func (t *thread) TexRefGetFlags(h driver.TexRef) (flags uint32, r driver.Result) {
	r = t.ref(h, func(x *texRef) driver.Result { flags = x.flags; return driver.Success })
	return flags, r
}

// ParamSetTexRef makes a reference available to a kernel, which every reference of its module is by itself.
func (t *thread) ParamSetTexRef(h driver.Function, unit int32, ref driver.TexRef) driver.Result {
	const byDefault = -1
	if _, r := t.function(h); r != driver.Success {
		return r
	}
	if unit != byDefault {
		return driver.ErrorInvalidValue
	}
	_, r := find[*texRef](t.d, ref)
	return r
}

func (t *thread) SurfRefSetArray(h driver.SurfRef, ah driver.Array, flags uint32) driver.Result {
	x, r := find[*surfRef](t.d, h)
	if r != driver.Success {
		return r
	}
	a, r := find[*array](t.d, ah)
	if r != driver.Success {
		return r
	}
	if flags != 0 || a.desc.flags&arraySurface == 0 {
		return driver.ErrorInvalidValue
	}
	t.d.references.Lock()
	defer t.d.references.Unlock()
	x.array = a
	return driver.Success
}

func (t *thread) SurfRefGetArray(h driver.SurfRef) (driver.Array, driver.Result) {
	x, r := find[*surfRef](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	t.d.references.Lock()
	defer t.d.references.Unlock()
	if x.array == nil {
		return 0, driver.ErrorInvalidValue
	}
	return driver.Array(x.array.id), driver.Success
}
