// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// pool is a memory pool. It takes memory of its GPU in chunks. Those that are free it keeps until the program waits, and
// beyond that as many as its threshold says, or until the GPU's memory is scarce.
type pool struct {
	id     uint64
	dev    *device
	mu     sync.Mutex
	chunks []*chunk
	live   map[uint64]uint64 // sizes
	values map[uint32]uint64 // attributes that only answer what was set, and the threshold

	used, usedMost, reserved, reservedMost uint64

	destroyed bool // and not to keep anything
	// A shareable pool may be given to other processes; one of another process has its file and origin.
	shareable bool
	other     *[16]byte
	file      *os.File
}

// chunk is memory of a pool, of chunkBytes or more for a larger allocation.
type chunk struct {
	lo, bytes uint64
	free      mem.Spans
}

const chunkBytes = mem.PageSize

// pools are those of a GPU, whose allocations are known by address.
type pools struct {
	mu  sync.Mutex
	all map[*pool]struct{}
	at  map[uint64]*pool
}

func (d *Driver) newPool(dev *device) *pool {
	p := &pool{dev: dev, values: map[uint32]uint64{1: 1, 2: 1, 3: 1}, live: map[uint64]uint64{}}
	p.id = d.handles.add(p)
	dev.pools.mu.Lock()
	defer dev.pools.mu.Unlock()
	dev.pools.all[p] = struct{}{}
	return p
}

// poolAt is the pool that an address was allocated from, nil if it was from none.
func (v *device) poolAt(addr uint64) *pool {
	v.pools.mu.Lock()
	defer v.pools.mu.Unlock()
	return v.pools.at[addr]
}

// eachPool runs f for every pool of the GPU.
func (v *device) eachPool(f func(*pool)) {
	v.pools.mu.Lock()
	all := slices.Collect(maps.Keys(v.pools.all))
	v.pools.mu.Unlock()
	for _, p := range all {
		f(p)
	}
}

// synchronized follows the program's waits: pools give back what they keep beyond their thresholds.
func (v *device) synchronized() {
	v.eachPool(func(p *pool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.trim(p.values[poolThreshold])
	})
}

// scarce runs an allocation of the GPU's memory, and once more without what pools and graphs keep.
func scarce[T any](v *device, run func() (T, error)) (T, error) {
	got, err := run()
	if err != nil {
		v.eachPool(func(p *pool) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.trim(0)
		})
		v.graphAllocations.trim(v)
		got, err = run()
	}
	return got, err
}

// alloc takes memory of the GPU's for good.
func (v *device) alloc(n uint64, template mem.Range) (uint64, error) {
	return scarce(v, func() (uint64, error) { return v.memory.Alloc(n, template) })
}

// free ends an allocation, of a pool or none.
func (v *device) free(addr uint64) bool {
	v.pools.mu.Lock()
	p := v.pools.at[addr]
	delete(v.pools.at, addr)
	v.pools.mu.Unlock()
	if p == nil {
		return v.memory.Free(addr)
	}
	p.free(addr)
	return true
}

// alloc makes n bytes live, of a chunk that has them or of a new one.
func (p *pool) alloc(n uint64) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addr, c, err := p.take(n)
	if err != nil {
		return 0, err
	}
	if err := p.dev.d.space.Add(mem.Range{Lo: addr, Hi: addr + n, Device: p.dev.ordinal}); err != nil {
		c.free.Give(addr, n)
		return 0, err
	}
	p.live[addr] = n
	p.used += n
	p.usedMost, p.reservedMost = max(p.usedMost, p.used), max(p.reservedMost, p.reserved)
	p.dev.pools.mu.Lock()
	defer p.dev.pools.mu.Unlock()
	p.dev.pools.at[addr] = p
	return addr, nil
}

func (p *pool) take(n uint64) (uint64, *chunk, error) {
	if _, total := p.dev.memory.Info(); n > total {
		return 0, nil, mem.ErrNoMemory
	}
	for _, c := range p.chunks {
		if addr, ok := c.free.Take(n); ok {
			return addr, c, nil
		}
	}
	c := &chunk{bytes: (n + chunkBytes - 1) / chunkBytes * chunkBytes}
	var err error
	if c.lo, err = p.dev.memory.Hold(c.bytes); err != nil {
		return 0, nil, err
	}
	c.free.Give(c.lo, c.bytes)
	p.chunks = append(p.chunks, c)
	p.reserved += c.bytes
	addr, _ := c.free.Take(n)
	return addr, c, nil
}

// free ends an allocation; its chunk stays the pool's.
func (p *pool) free(addr uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.live[addr]
	delete(p.live, addr)
	p.used -= n
	p.dev.d.space.Remove(addr)
	for _, c := range p.chunks {
		if addr-c.lo < c.bytes {
			c.free.Give(addr, n)
		}
	}
	if p.destroyed {
		p.trim(0)
	}
}

// trim gives free chunks back as long as so many bytes remain. The caller holds mu.
func (p *pool) trim(keep uint64) {
	p.chunks = slices.DeleteFunc(p.chunks, func(c *chunk) bool {
		if c.free.Bytes() < c.bytes || p.reserved < keep || p.reserved-c.bytes < keep {
			return false
		}
		p.dev.memory.Release(c.lo, c.bytes)
		p.reserved -= c.bytes
		return true
	})
	if p.destroyed && len(p.chunks) == 0 {
		p.dev.pools.mu.Lock()
		defer p.dev.pools.mu.Unlock()
		delete(p.dev.pools.all, p)
	}
}

// freeOp frees an allocation in stream order.
type freeOp struct {
	d    *Driver
	dev  *device
	addr uint64
}

func (freeOp) kind() uint32 { return nodeEmpty }

func (o freeOp) run(*context) driver.Result { return o.d.release(o.dev, o.addr) }

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
	run := func() (uint64, error) { return p.alloc(n) }
	a, err := scarce(p.dev, run)
	if err != nil {
		s.ctx.wait()
		a, err = scarce(p.dev, run)
	}
	if err != nil {
		return 0, driver.ErrorOutOfMemory
	}
	c := t.current.home()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owned[a] = struct{}{}
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
	p.mu.Lock()
	defer p.mu.Unlock()
	p.destroyed = true
	p.trim(0)
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

// Numbers of CUmemPool_attribute that are not only kept.
const (
	poolThreshold    = 4
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
	case poolThreshold:
		binary.LittleEndian.PutUint64(value, p.values[n])
	case poolReservedNow:
		binary.LittleEndian.PutUint64(value, p.reserved)
	case poolReservedHigh:
		binary.LittleEndian.PutUint64(value, p.reservedMost)
	case poolUsedNow:
		binary.LittleEndian.PutUint64(value, p.used)
	case poolUsedHigh:
		binary.LittleEndian.PutUint64(value, p.usedMost)
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
	case poolThreshold:
		p.values[n] = binary.LittleEndian.Uint64(value)
	case poolReservedHigh, poolUsedHigh:
		switch {
		case binary.LittleEndian.Uint64(value) != 0:
			return driver.ErrorInvalidValue
		case n == poolUsedHigh:
			p.usedMost = p.used
		default:
			p.reservedMost = p.reserved
		}
	default:
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

func (t *thread) MemPoolTrimTo(h driver.MemPool, keep uint64) driver.Result {
	p, r := find[*pool](t.d, h)
	if r != driver.Success {
		return r
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trim(keep)
	return driver.Success
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
