// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"os"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// pool is a memory pool. It keeps nothing back: allocations come from the GPU at once and return to it when
// the stream that frees them gets there.
type pool struct {
	id     uint64
	dev    *device
	mu     sync.Mutex
	used   uint64
	high   uint64
	values map[uint32]uint64 // attributes that only answer what was set
	live   map[uint64]uint64 // sizes
	// A shareable pool may be given to other processes; one of another process has its file and origin.
	shareable bool
	other     *[16]byte
	file      *os.File
}

func (d *Driver) newPool(dev *device) *pool {
	p := &pool{dev: dev, values: map[uint32]uint64{1: 1, 2: 1, 3: 1}, live: map[uint64]uint64{}}
	p.id = d.handles.add(p)
	return p
}

// freeOp frees an allocation in stream order.
type freeOp struct {
	d    *Driver
	dev  *device
	addr uint64
}

func (freeOp) kind() uint32 { return nodeEmpty }

func (o freeOp) run(*context) driver.Result {
	o.dev.mu.Lock()
	p := o.dev.pooled[o.addr]
	delete(o.dev.pooled, o.addr)
	o.dev.mu.Unlock()
	if p != nil {
		p.mu.Lock()
		p.used -= p.live[o.addr]
		delete(p.live, o.addr)
		p.mu.Unlock()
	}
	return o.d.release(o.dev, o.addr)
}

func (t *thread) MemAllocAsync(n uint64, s driver.Stream) (driver.DevicePtr, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	c.dev.mu.Lock()
	p := c.dev.pool
	c.dev.mu.Unlock()
	return t.allocFrom(p, n, s)
}

func (t *thread) MemAllocFromPoolAsync(n uint64, h driver.MemPool, s driver.Stream) (driver.DevicePtr, driver.Result) {
	p, r := find[*pool](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	if p.other != nil { // its own process allocates from it
		return 0, driver.ErrorInvalidValue
	}
	return t.allocFrom(p, n, s)
}

// allocFrom allocates at once. If there is no room, memory that streams are about to free is waited for.
func (t *thread) allocFrom(p *pool, n uint64, sh driver.Stream) (driver.DevicePtr, driver.Result) {
	s, r := t.stream(sh)
	if r != driver.Success {
		return 0, r
	}
	if n == 0 { // nothing
		return 0, driver.Success
	}
	if t.d.isCaptured(s) {
		return t.capturedAlloc(p.dev, n, s)
	}
	a, r := t.allocOn(p.dev, n)
	if r == driver.ErrorOutOfMemory {
		s.ctx.wait()
		a, r = t.allocOn(p.dev, n)
	}
	if r != driver.Success {
		return 0, r
	}
	p.dev.mu.Lock()
	p.dev.pooled[uint64(a)] = p
	p.dev.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live[uint64(a)] = n
	p.used += n
	p.high = max(p.high, p.used)
	return a, driver.Success
}

func (t *thread) allocOn(dev *device, n uint64) (driver.DevicePtr, driver.Result) {
	if n == 0 {
		return 0, driver.ErrorInvalidValue
	}
	a, err := dev.memory.Alloc(n, mem.Range{})
	if err != nil {
		return 0, driver.ErrorOutOfMemory
	}
	c := t.current.home()
	c.mu.Lock()
	c.owned[a] = struct{}{}
	c.mu.Unlock()
	return driver.DevicePtr(a), driver.Success
}

func (t *thread) MemFreeAsync(p driver.DevicePtr, sh driver.Stream) driver.Result {
	s, r := t.stream(sh)
	if r != driver.Success {
		return r
	}
	if t.d.isImported(uint64(p)) {
		s.submit(dropOp{t.d, uint64(p)})
		return driver.Success
	}
	dev, found, ok := t.d.owner(uint64(p))
	if !ok || found.Symbol || found.Lo != uint64(p) {
		return driver.ErrorInvalidValue
	}
	m := t.d.graphMemoryAt(uint64(p))
	if t.d.isCaptured(s) {
		if m == nil {
			return driver.ErrorInvalidValue
		}
		_, r := t.d.captured(s, graphFreeOp{m})
		return r
	}
	if m != nil {
		if r := m.freeing(); r != driver.Success {
			return r
		}
		s.submit(graphReleaseOp{m})
		return driver.Success
	}
	s.submit(freeOp{t.d, dev, uint64(p)})
	return driver.Success
}

// MemPoolCreate takes CUmemPoolProps; the location's id stands at byte 12.
func (t *thread) MemPoolCreate(props []byte) (driver.MemPool, driver.Result) {
	if len(props) < 16 {
		return 0, driver.ErrorInvalidValue
	}
	const asFile = 1
	shared := binary.LittleEndian.Uint32(props[4:])
	if shared&^asFile != 0 {
		return 0, driver.ErrorNotSupported
	}
	dev, r := t.d.device(driver.Device(binary.LittleEndian.Uint32(props[12:])))
	if r != driver.Success {
		return 0, driver.ErrorInvalidValue
	}
	p := t.d.newPool(dev)
	p.shareable = shared != 0
	return driver.MemPool(p.id), driver.Success
}

func (t *thread) MemPoolDestroy(h driver.MemPool) driver.Result {
	p, r := find[*pool](t.d, h)
	if r != driver.Success {
		return r
	}
	p.dev.mu.Lock()
	defer p.dev.mu.Unlock()
	if p == p.dev.defaultPool {
		return driver.ErrorInvalidValue
	}
	if p.dev.pool == p {
		p.dev.pool = p.dev.defaultPool
	}
	t.d.handles.remove(p.id)
	if p.file != nil {
		p.file.Close()
	}
	return driver.Success
}

func (t *thread) DeviceGetDefaultMemPool(dev driver.Device) (driver.MemPool, driver.Result) {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return 0, r
	}
	return driver.MemPool(d.defaultPool.id), driver.Success
}

func (t *thread) DeviceGetMemPool(dev driver.Device) (driver.MemPool, driver.Result) {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return 0, r
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return driver.MemPool(d.pool.id), driver.Success
}

func (t *thread) DeviceSetMemPool(dev driver.Device, h driver.MemPool) driver.Result {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return r
	}
	p, r := find[*pool](t.d, h)
	if r != driver.Success || p.dev != d {
		return driver.ErrorInvalidValue
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pool = p
	return driver.Success
}

// poolDevice is the GPU that a CUmemLocation of a pool names; pools of the host are not served.
func (t *thread) poolDevice(location []byte, kind uint32) (driver.Device, driver.Result) {
	const pinned, onDevice = 1, 1
	if len(location) < 8 || kind != pinned || binary.LittleEndian.Uint32(location) != onDevice {
		return 0, driver.ErrorNotSupported
	}
	return driver.Device(binary.LittleEndian.Uint32(location[4:])), driver.Success
}

func (t *thread) MemGetDefaultMemPool(location []byte, kind uint32) (driver.MemPool, driver.Result) {
	dev, r := t.poolDevice(location, kind)
	if r != driver.Success {
		return 0, r
	}
	return t.DeviceGetDefaultMemPool(dev)
}

func (t *thread) MemGetMemPool(location []byte, kind uint32) (driver.MemPool, driver.Result) {
	dev, r := t.poolDevice(location, kind)
	if r != driver.Success {
		return 0, r
	}
	return t.DeviceGetMemPool(dev)
}

func (t *thread) MemSetMemPool(location []byte, kind uint32, h driver.MemPool) driver.Result {
	dev, r := t.poolDevice(location, kind)
	if r != driver.Success {
		return r
	}
	return t.DeviceSetMemPool(dev, h)
}

// Numbers of CUmemPool_attribute that are measured.
const (
	poolReservedNow  = 5
	poolReservedHigh = 6
	poolUsedNow      = 7
	poolUsedHigh     = 8
)

func (t *thread) MemPoolGetAttribute(h driver.MemPool, n uint32, value []byte) driver.Result {
	p, r := find[*pool](t.d, h)
	if r != driver.Success {
		return r
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch n {
	case 1, 2, 3:
		binary.LittleEndian.PutUint32(value, uint32(p.values[n]))
	case 4:
		binary.LittleEndian.PutUint64(value, p.values[n])
	case poolReservedNow, poolUsedNow:
		binary.LittleEndian.PutUint64(value, p.used)
	case poolReservedHigh, poolUsedHigh:
		binary.LittleEndian.PutUint64(value, p.high)
	default:
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

func (t *thread) MemPoolSetAttribute(h driver.MemPool, n uint32, value []byte) driver.Result {
	p, r := find[*pool](t.d, h)
	if r != driver.Success {
		return r
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch n {
	case 1, 2, 3:
		p.values[n] = uint64(binary.LittleEndian.Uint32(value))
	case 4:
		p.values[n] = binary.LittleEndian.Uint64(value)
	case poolReservedHigh, poolUsedHigh:
		if binary.LittleEndian.Uint64(value) != 0 {
			return driver.ErrorInvalidValue
		}
		p.high = p.used
	default:
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

func (t *thread) MemPoolTrimTo(h driver.MemPool, _ uint64) driver.Result {
	_, r := find[*pool](t.d, h)
	return r
}

// Every GPU reaches every pool.
func (t *thread) MemPoolSetAccess(h driver.MemPool, _ []byte, _ uint64) driver.Result {
	_, r := find[*pool](t.d, h)
	return r
}

func (t *thread) MemPoolGetAccess(h driver.MemPool, _ []byte) (uint32, driver.Result) {
	_, r := find[*pool](t.d, h)
	return 3, r
}
