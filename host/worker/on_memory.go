// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// gpu is the ordinal of the current context's device, -1 without one.
func (s *server) gpu(api driver.API) int {
	d, r := api.CtxGetDevice()
	if r != driver.Success {
		return -1
	}
	return int(d)
}

// allocate runs an allocation outside pools within the quota of the current context's vGPU. It ends with the context.
func (s *server) allocate(api driver.API, bytes uint64, run func() (driver.DevicePtr, driver.Result)) (driver.DevicePtr, driver.Result) {
	a := allocation{s.gpu(api), bytes, outside}
	if !s.memory.reserve(api, a) {
		return 0, driver.ErrorOutOfMemory
	}
	p, r := run()
	if r != driver.Success {
		s.memory.unreserve(a)
		return 0, r
	}
	if p != 0 { // nothing has no address
		s.memory.note(p, a, s.current)
	}
	return p, r
}

func (s *server) onMemAlloc(api driver.API, bytes uint64) (driver.DevicePtr, driver.Result) {
	return s.allocate(api, bytes, func() (driver.DevicePtr, driver.Result) { return api.MemAlloc(bytes) })
}

func (s *server) onMemAllocPitch(api driver.API, width, height uint64, element uint32) (p driver.DevicePtr, pitch uint64, r driver.Result) {
	const align = 512 // at least what devices round a row to
	if width > 1<<40 || height > 1<<24 {
		return 0, 0, driver.ErrorOutOfMemory
	}
	bytes := (width + align - 1) &^ (align - 1)
	p, r = s.allocate(api, bytes*height, func() (driver.DevicePtr, driver.Result) {
		var inner driver.Result
		var q driver.DevicePtr
		q, pitch, inner = api.MemAllocPitch(width, height, element)
		return q, inner
	})
	return p, pitch, r
}

func (s *server) onMemFree(api driver.API, p driver.DevicePtr) driver.Result {
	s.withdrawOne(sharedMemory, uint64(p))
	r := api.MemFree(p)
	if r == driver.Success {
		s.memory.forget(p)
	}
	return r
}

func (s *server) onMemAllocAsync(api driver.API, bytes uint64, pool driver.MemPool, stream driver.Stream) (driver.DevicePtr, driver.Result) {
	a := allocation{s.poolGPU(api, pool), bytes, fromPool}
	graph := s.capturedBy(api, stream)
	if graph != 0 { // each launch of the graph allocates it
		a.source = ofGraph
	}
	if !s.memory.reserve(api, a) {
		return 0, driver.ErrorOutOfMemory
	}
	p, r := allocateFrom(api, bytes, pool, stream)
	if graph == 0 && r == driver.Success && p != 0 && !s.memory.poolFits(api, a, pool) {
		p, r = s.allocateAgain(api, a, p, pool, stream)
	}
	c, counts := api.(*charging)
	switch {
	case r != driver.Success || p == 0: // nothing has no address
		s.memory.unreserve(a)
	case graph != 0 && counts:
		c.charge(graph, a, p)
	default:
		s.memory.note(p, a, 0)
	}
	return p, r
}

// allocateFrom allocates from a pool, 0 for the current one.
func allocateFrom(api driver.API, bytes uint64, pool driver.MemPool, stream driver.Stream) (driver.DevicePtr, driver.Result) {
	if pool != 0 {
		return api.MemAllocFromPoolAsync(bytes, pool, stream)
	}
	return api.MemAllocAsync(bytes, stream)
}

// allocateAgain gives back what a pool has grown for beyond the quota, and tries once more when what streams were about to
// free is there. On a GPU that is full, the driver has the stream wait for that by itself.
func (s *server) allocateAgain(api driver.API, a allocation, p driver.DevicePtr, pool driver.MemPool, stream driver.Stream) (driver.DevicePtr, driver.Result) {
	giveBack := func() {
		if api.MemFreeAsync(p, stream) == driver.Success {
			s.frees(stream)
		}
	}
	giveBack()
	if !s.observeFrees(api, false) || !s.memory.trimmed(api, a.gpu) {
		return 0, driver.ErrorOutOfMemory
	}
	var r driver.Result
	if p, r = allocateFrom(api, a.bytes, pool, stream); r == driver.Success && !s.memory.poolFits(api, a, pool) {
		giveBack()
		return 0, driver.ErrorOutOfMemory
	}
	return p, r
}

// poolGPU is the ordinal of the device that a pool is of, the current context's for none.
func (s *server) poolGPU(api driver.API, pool driver.MemPool) int {
	if gpu, ok := s.memory.poolsOf[pool]; ok {
		return gpu
	}
	return s.gpu(api)
}

// capturedBy is the graph that a stream is being captured into, 0 if it is not.
func (s *server) capturedBy(api driver.API, stream driver.Stream) driver.Graph {
	if len(s.captures) == 0 {
		return 0
	}
	info, r := api.CaptureInfo(stream)
	if r != driver.Success {
		return 0
	}
	return info.Graph
}

func (s *server) onMemFreeAsync(api driver.API, p driver.DevicePtr, stream driver.Stream) driver.Result {
	plain := s.memory.isOutside(p)
	if plain {
		s.withdrawOne(sharedMemory, uint64(p))
	} else {
		s.withdrawOne(sharedPointer, uint64(p))
	}
	graph := s.capturedBy(api, stream)
	r := api.MemFreeAsync(p, stream)
	c, counts := api.(*charging)
	switch {
	case r != driver.Success:
	case plain:
		s.memory.leave(api, p, stream)
		s.frees(stream)
	case graph == 0:
		s.memory.forget(p)
		s.frees(stream)
	case counts: // launches free it
		c.frees(graph, p)
	}
	return r
}

// onMemCreate charges physical memory to the vGPU that its properties name: CUmemAllocationProp has the location's type
// at 8 and its ordinal at 12, and an address of another operating system at 16.
func (s *server) onMemCreate(api driver.API, bytes uint64, prop []byte, flags uint64) (driver.MemHandle, driver.Result) {
	const locationDevice = 1
	le := binary.LittleEndian
	switch le.Uint32(prop[8:]) {
	case locationDevice:
	case 0:
		return 0, driver.ErrorInvalidValue
	default: // memory of this host, of which there is no quota, and which the client does not see
		return 0, driver.ErrorNotSupported
	}
	le.PutUint64(prop[16:], 0)
	a := allocation{int(int32(le.Uint32(prop[12:]))), bytes, outside}
	if !s.memory.reserve(api, a) {
		return 0, driver.ErrorOutOfMemory
	}
	h, r := api.MemCreate(bytes, prop, flags)
	if r != driver.Success {
		s.memory.unreserve(a)
		return 0, r
	}
	s.memory.noteHandle(h, a)
	return h, driver.Success
}

// onMemRelease gives back a handle once, and says whether that was the last time: until then, its id lives.
func (s *server) onMemRelease(api driver.API, h driver.MemHandle) (last uint32, r driver.Result) {
	if s.memory.uses(h) <= 1 {
		s.withdrawOne(sharedHandle, uint64(h))
		last = 1
	}
	if r = api.MemRelease(h); r != driver.Success {
		return 0, r
	}
	s.memory.forgetHandle(h)
	if last != 0 {
		s.memory.forgetWithin(uint64(h))
		s.handles.forget(handle{uint64(h), cuda.KindMemHandle})
	}
	return last, r
}

func (s *server) onMemRetainHandle(api driver.API, addr driver.DevicePtr) (driver.MemHandle, driver.Result) {
	h, r := api.MemRetainAllocationHandle(driver.HostPtr(addr))
	if r == driver.Success {
		s.memory.retainHandle(h, addr)
	}
	return h, r
}

func (s *server) onMemReserve(api driver.API, size, alignment uint64, addr driver.DevicePtr, flags uint64) (driver.DevicePtr, driver.Result) {
	return api.MemAddressReserve(size, alignment, addr, flags)
}

func (s *server) onMemUnreserve(api driver.API, p driver.DevicePtr, size uint64) driver.Result {
	return api.MemAddressFree(p, size)
}

func (s *server) onMemInfo(api driver.API) (free, total uint64, r driver.Result) {
	physical, _, r := api.MemGetInfo()
	if r != driver.Success {
		return 0, 0, r
	}
	free, total = s.memory.free(api, s.gpu(api), physical)
	return free, total, driver.Success
}

// Flags of cuMemHostRegister.
const (
	registerPortable  = 1
	registerDeviceMap = 2
)

// atHome makes the session's own context current where the client has none: pinned memory is for all contexts, and a
// library may be loaded without one, and have managed variables. What it returns ends that.
func (s *server) atHome(api driver.API) func() {
	if s.current != 0 {
		return func() {}
	}
	api.CtxSetCurrent(s.home)
	return func() { api.CtxSetCurrent(0) }
}

// onHostAlloc makes a range of the region pinned memory that every device can use.
func (s *server) onHostAlloc(api driver.API, host driver.HostPtr, bytes uint64, _ uint32) (driver.DevicePtr, driver.Result) {
	defer s.atHome(api)()
	if !s.region.contains(host, bytes) || (uint64(host)|bytes)%pageBytes != 0 {
		return 0, driver.ErrorInvalidValue
	}
	if !s.memory.addHost(host, bytes, s.current) {
		return 0, driver.ErrorHostMemoryAlreadyRegistered
	}
	if r := api.MemHostRegister(host, bytes, registerPortable|registerDeviceMap); r != driver.Success {
		s.memory.removeHost(host)
		return 0, r
	}
	p, r := api.MemHostGetDevicePointer(host, 0)
	if r != driver.Success {
		s.memory.removeHost(host)
		api.MemHostUnregister(host)
	}
	return p, r
}

func (s *server) onHostFree(api driver.API, host driver.HostPtr, n uint64) driver.Result {
	bytes, ok := s.memory.removeHost(host)
	if !ok {
		s.region.part(host, n) // of what was to be registered
		return driver.ErrorInvalidValue
	}
	defer s.atHome(api)()
	delete(s.placed, host)
	return s.endHost(api, host, bytes)
}

// endHost takes away all that there is of a range that is registered no more.
func (s *server) endHost(api driver.API, host driver.HostPtr, bytes uint64) driver.Result {
	s.dropAlias(api, host)
	r := api.MemHostUnregister(host)
	s.region.part(host, bytes)
	s.region.discard(host, bytes)
	return r
}

// onHostJoin has a page of the region that is about to be registered be another that is registered already: the
// program's memory which they stand for lies in one page.
func (s *server) onHostJoin(_ driver.API, slot, other driver.HostPtr) driver.Result {
	heap := driver.HostPtr(uint64(s.region.base) + wire.HeapOffset(s.region.size))
	if (slot|other)%pageBytes != 0 || slot < heap || !s.region.contains(slot, pageBytes) || s.memory.registered(slot) || !s.memory.registered(other) {
		return driver.ErrorInvalidValue
	}
	if err := s.region.join(slot, other); err != nil {
		s.log.Warn("registered memory cannot share a page", "reason", err)
		return driver.ErrorMapFailed
	}
	return driver.Success
}

// onHostAlias gives pinned memory a second address, that of the program's own memory whose place it has taken, so
// that kernels can use the program's pointers: all of it behind the first bytes, or a part.
func (s *server) onHostAlias(api driver.API, host driver.HostPtr, skip, bytes, at uint64) (driver.DevicePtr, driver.Result) {
	alias := driver.HostPtr(at)
	if !s.memory.addAlias(host, skip, secondAddress{alias, bytes}) {
		return 0, driver.ErrorInvalidValue
	}
	if err := s.region.mapAlias(&s.memory.vacant, at, host+driver.HostPtr(skip), bytes); err != nil {
		s.log.Debug("registered memory keeps one address", "reason", err)
		s.memory.removeAlias(host)
		return 0, driver.ErrorMapFailed
	}
	r := api.MemHostRegister(alias, bytes, registerPortable|registerDeviceMap)
	if r != driver.Success {
		s.memory.removeAlias(host)
		s.memory.vacant.leave(at, bytes)
		return 0, r
	}
	p, r := api.MemHostGetDevicePointer(alias, 0)
	if r != driver.Success {
		s.dropAlias(api, host)
	}
	return p, r
}

// dropAlias takes the second address away, if there is one.
func (s *server) dropAlias(api driver.API, host driver.HostPtr) {
	if a, ok := s.memory.removeAlias(host); ok {
		api.MemHostUnregister(a.at)
		s.memory.vacant.leave(uint64(a.at), a.bytes)
	}
}

func (s *server) onPointerAttribute(api driver.API, p driver.DevicePtr, attribute uint32, value []byte) driver.Result {
	const context, p2pTokens = 1, 5
	switch attribute {
	case context, p2pTokens:
		return driver.ErrorNotSupported // the guest knows its contexts itself
	}
	return api.PointerGetAttribute(value, attribute, p)
}
