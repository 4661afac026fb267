// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// objects are the live texture and surface objects of a session. Kernels get them by value, so that the client
// knows the driver's own numbers; the driver is asked only about those that it has given out. Beside them are the
// graphs within nodes that the client knows: bodies of conditional nodes, and child graphs.
type objects struct {
	textures, surfaces map[uint64]bool
	within             map[driver.GraphNode][]driver.Graph
}

func newObjects() objects {
	return objects{map[uint64]bool{}, map[uint64]bool{}, map[driver.GraphNode][]driver.Graph{}}
}

// CUresourcetype, and where a CUDA_RESOURCE_DESC and a CUarrayMapInfo have their array.
const (
	resourceArray  = 0
	resourceMipmap = 1
	resourceLinear = 2
	resourcePitch  = 3
	resourceHandle = 8
)

// arrayKind is the kind of handle that a description of a resource holds, if it does.
func arrayKind(b []byte) (kind uint8, ok bool) {
	switch binary.LittleEndian.Uint32(b) {
	case resourceArray:
		return cuda.KindArray, true
	case resourceMipmap:
		return cuda.KindMipmappedArray, true
	}
	return 0, false
}

// translateArray puts the driver's handle into the place of an id.
func (s *server) translateArray(b []byte) driver.Result {
	kind, _ := arrayKind(b)
	v, ok := s.handles.lookup(binary.LittleEndian.Uint64(b[resourceHandle:]), kind)
	if !ok || v == 0 {
		return driver.ErrorInvalidHandle
	}
	binary.LittleEndian.PutUint64(b[resourceHandle:], v)
	return driver.Success
}

func (s *server) translateResource(b []byte) driver.Result {
	switch binary.LittleEndian.Uint32(b) {
	case resourceArray, resourceMipmap:
		return s.translateArray(b)
	case resourceLinear, resourcePitch: // an address of the GPU, which the driver checks
		return driver.Success
	}
	return driver.ErrorInvalidValue
}

func (s *server) onTexObjectCreate(api driver.API, res, tex, view []byte) (uint64, driver.Result) {
	if r := s.translateResource(res); r != driver.Success {
		return 0, r
	}
	o, r := api.TexObjectCreate(res, tex, view)
	if r == driver.Success {
		s.objects.textures[o] = true
	}
	return o, r
}

func (s *server) onSurfObjectCreate(api driver.API, res []byte) (uint64, driver.Result) {
	if r := s.translateResource(res); r != driver.Success {
		return 0, r
	}
	o, r := api.SurfObjectCreate(res)
	if r == driver.Success {
		s.objects.surfaces[o] = true
	}
	return o, r
}

func (s *server) onTexObjectDestroy(api driver.API, o uint64) driver.Result {
	if !s.objects.textures[o] {
		return driver.ErrorInvalidValue
	}
	delete(s.objects.textures, o)
	return api.TexObjectDestroy(o)
}

func (s *server) onSurfObjectDestroy(api driver.API, o uint64) driver.Result {
	if !s.objects.surfaces[o] {
		return driver.ErrorInvalidValue
	}
	delete(s.objects.surfaces, o)
	return api.SurfObjectDestroy(o)
}

// onTexObjectGet asks for one of an object's descriptions.
func (s *server) onTexObjectGet(api driver.API, what uint32, o uint64, out []byte) (r driver.Result) {
	const texture, view = 104, 112
	if live := s.objects.textures; what == wire.DescSurface && !s.objects.surfaces[o] || what != wire.DescSurface && !live[o] {
		return driver.ErrorInvalidValue
	}
	switch what {
	case wire.DescResource:
		r = api.TexObjectGetResourceDesc(out, o)
	case wire.DescTexture:
		return api.TexObjectGetTextureDesc(out[:texture], o)
	case wire.DescView:
		return api.TexObjectGetResourceViewDesc(out[:view], o)
	case wire.DescSurface:
		r = api.SurfObjectGetResourceDesc(out, o)
	default:
		return driver.ErrorInvalidValue
	}
	if kind, ok := arrayKind(out); ok && r == driver.Success {
		le := binary.LittleEndian
		le.PutUint64(out[resourceHandle:], s.handles.idOf(kind, le.Uint64(out[resourceHandle:])))
	}
	return r
}

// onMapArrays maps memory into sparse arrays, from a list of CUarrayMapInfo.
func (s *server) onMapArrays(api driver.API, list []byte, n uint32, stream driver.Stream) driver.Result {
	const info, memory = 96, 64
	for b := list; len(b) >= info; b = b[info:] {
		if _, ok := arrayKind(b); !ok {
			return driver.ErrorInvalidValue
		}
		if r := s.translateArray(b); r != driver.Success {
			return r
		}
		v, ok := s.handles.lookup(binary.LittleEndian.Uint64(b[memory:]), cuda.KindMemHandle)
		if !ok {
			return driver.ErrorInvalidHandle
		}
		binary.LittleEndian.PutUint64(b[memory:], v)
	}
	r := api.MemMapArrayAsync(list, n, stream)
	for b := list; r == driver.Success && len(b) >= info; b = b[info:] {
		s.memory.noteWithin(binary.LittleEndian.Uint64(b[resourceHandle:]), driver.MemHandle(binary.LittleEndian.Uint64(b[memory:])))
	}
	return r
}
