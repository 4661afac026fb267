// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"math/bits"
	"runtime"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
)

// onCopyIn copies bytes that came with the command. The driver takes them before it returns: they are
// ordinary memory of this process.
func (s *server) onCopyIn(api driver.API, dst driver.DevicePtr, stream driver.Stream, data []byte, n uint64) driver.Result {
	if n == 0 {
		return driver.Success
	}
	r := api.MemcpyHtoDAsync(dst, driver.HostPtr(uintptr(unsafe.Pointer(&data[0]))), n, stream)
	runtime.KeepAlive(data)
	return r
}

func (s *server) onCopyInRegion(api driver.API, dst driver.DevicePtr, host driver.HostPtr, n uint64, stream driver.Stream) driver.Result {
	if !s.hosts(host, n) {
		return driver.ErrorInvalidValue
	}
	return api.MemcpyHtoDAsync(dst, host, n, stream)
}

// onCopyInStage copies from staging and has the stream say when the staging is free again.
func (s *server) onCopyInStage(api driver.API, dst driver.DevicePtr, host driver.HostPtr, n uint64, stream driver.Stream, flag driver.HostPtr, value uint32) driver.Result {
	if !s.hosts(host, n) {
		return driver.ErrorInvalidValue
	}
	r := api.MemcpyHtoDAsync(dst, host, n, stream)
	if f := s.onWriteFlag(api, stream, flag, value); r == driver.Success {
		r = f
	}
	return r
}

func (s *server) onCopyOutRegion(api driver.API, host driver.HostPtr, src driver.DevicePtr, n uint64, stream driver.Stream) driver.Result {
	if !s.hosts(host, n) {
		return driver.ErrorInvalidValue
	}
	return api.MemcpyDtoHAsync(host, src, n, stream)
}

func (s *server) onCopyOut(api driver.API, host driver.HostPtr, src driver.DevicePtr, n uint64, stream driver.Stream, reply *reply) driver.Result {
	if r := s.onCopyOutRegion(api, host, src, n, stream); r != driver.Success {
		return r
	}
	return s.fence(api, stream, reply)
}

// onWriteFlag tells the client that a stream has got here, for staging that several commands used.
func (s *server) onWriteFlag(api driver.API, stream driver.Stream, flag driver.HostPtr, value uint32) driver.Result {
	if !s.region.contains(flag, 4) || flag%4 != 0 {
		return driver.ErrorInvalidValue
	}
	s.stage(flag, 4)
	var r driver.Result
	if s.gpuFlags {
		if r = api.WriteFlag(stream, flag, value); r == driver.Success {
			return r
		}
	}
	// What the stream cannot say, or says no more, is said here.
	if waited := api.StreamSynchronize(stream); r == driver.Success {
		r = waited
	}
	s.region.store32(uint64(flag)-uint64(s.region.base), value)
	return r
}

// Values of CUmemorytype.
const (
	memoryHost    = 1
	memoryDevice  = 2
	memoryArray   = 3
	memoryUnified = 4
)

// side is one side of a CUDA_MEMCPY2D or CUDA_MEMCPY3D: offsets of its fields.
type side struct {
	x, y, z, kind, host, device, array, context, pitch, height int
}

var (
	src3D = side{x: 0, y: 8, z: 16, kind: 32, host: 40, device: 48, array: 56, context: 64, pitch: 72, height: 80}
	dst3D = side{x: 88, y: 96, z: 104, kind: 120, host: 128, device: 136, array: 144, context: 152, pitch: 160, height: 168}
)

// translate turns the ids of a copy description into handles and checks that host memory lies in the region.
func (s *server) translate(b []byte, at side, width, height, depth uint64, peer bool) driver.Result {
	le := binary.LittleEndian
	switch le.Uint32(b[at.kind:]) {
	case memoryHost:
		rows, z := uint64(0), uint64(0)
		if at.z >= 0 {
			rows, z = le.Uint64(b[at.height:]), le.Uint64(b[at.z:])
		}
		if !s.hostExtent(le.Uint64(b[at.host:]), le.Uint64(b[at.x:]), le.Uint64(b[at.y:]), z, le.Uint64(b[at.pitch:]), rows, width, height, depth) {
			return driver.ErrorInvalidValue
		}
	case memoryUnified:
		le.PutUint32(b[at.kind:], memoryDevice)
	case memoryDevice:
	case memoryArray:
		v, ok := s.handles.lookup(le.Uint64(b[at.array:]), cuda.KindArray)
		if !ok || v == 0 {
			return driver.ErrorInvalidHandle
		}
		le.PutUint64(b[at.array:], v)
	default:
		return driver.ErrorInvalidValue
	}
	if peer {
		v, ok := s.handles.lookup(le.Uint64(b[at.context:]), cuda.KindContext)
		if !ok {
			return driver.ErrorInvalidContext
		}
		le.PutUint64(b[at.context:], v)
	}
	return driver.Success
}

// hostExtent says whether all that a copy touches at base lies in the region. Products that overflow do not.
func (s *server) hostExtent(base, x, y, z, pitch, rows, width, height, depth uint64) bool {
	if width == 0 || height == 0 || depth == 0 {
		return true
	}
	if pitch == 0 {
		pitch = width
	}
	if rows == 0 {
		rows = height
	}
	row, beyond := bits.Add64(y, height-1, 0)
	layer, above := bits.Add64(z, depth-1, 0)
	if beyond != 0 || above != 0 { // the driver would start before base
		return false
	}
	sum := uint64(0)
	for _, term := range [][2]uint64{{x, 1}, {row, pitch}, {width, 1}} {
		hi, lo := bits.Mul64(term[0], term[1])
		var carry uint64
		if sum, carry = bits.Add64(sum, lo, 0); hi != 0 || carry != 0 {
			return false
		}
	}
	hi, plane := bits.Mul64(pitch, rows)
	hi2, planes := bits.Mul64(plane, layer)
	sum, carry := bits.Add64(sum, planes, 0)
	return hi == 0 && hi2 == 0 && carry == 0 && s.hosts(driver.HostPtr(base), sum)
}

func (s *server) translate3D(b []byte, peer bool) driver.Result {
	le := binary.LittleEndian
	width, height, depth := le.Uint64(b[176:]), le.Uint64(b[184:]), le.Uint64(b[192:])
	for _, at := range []side{src3D, dst3D} {
		if r := s.translate(b, at, width, height, depth, peer); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

func (s *server) onCopy3d(api driver.API, b []byte, stream driver.Stream) driver.Result {
	if r := s.translate3D(b, false); r != driver.Success {
		return r
	}
	return api.Memcpy3DAsync(b, stream)
}

func (s *server) onCopy3dPeer(api driver.API, b []byte, stream driver.Stream) driver.Result {
	if r := s.translate3D(b, true); r != driver.Success {
		return r
	}
	return api.Memcpy3DPeerAsync(b, stream)
}
