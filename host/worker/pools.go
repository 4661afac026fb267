// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
)

// pools are the memory pools of a session on one vGPU's GPU, that of graphs among them. What is freed there stays with
// the pool for as long as a program likes, so the quota counts what pools reserve, not what was allocated of them. Only
// the driver knows that; it is asked when the quota may be exceeded, which a bound from above tells. They belong to the
// ring goroutine.
type pools struct {
	list     map[driver.MemPool]bool // that have been allocated from; true if the client has destroyed it since
	current  driver.MemPool          // that the client has chosen for the device, 0 for the default one
	standard driver.MemPool          // the default one, 0 before it is used
	graphs   bool                    // graphs have allocated

	reserved, reservedByGraphs uint64 // when last read
	allocated                  uint64 // from pools since
	charged                    uint64 // to graphs then and since
	over                       bool   // an allocation was given back, and the vGPU has been above its quota since
}

// Numbers of CUmemPool_attribute and CUgraphMem_attribute.
const (
	poolThreshold    = 4
	poolReservedNow  = 5
	graphReservedNow = 2
)

// poolChunk is what pools of NVIDIA's driver reserve at once, at most, for an allocation that is no larger.
const poolChunk = 32 << 20

// poolAlign is what they round allocations to, at most.
const poolAlign = 512

// bound is what they reserve at most. An allocation that finds no room makes a pool grow by whole chunks. What remains of
// them is less than the next one that finds no room asks for.
func (p *pools) bound() (reserved, byGraphs uint64) {
	reserved = p.reserved
	if p.allocated > 0 {
		reserved += 2*p.allocated + poolChunk*uint64(len(p.list))
	}
	return reserved, p.reservedByGraphs + p.charged
}

// occupied is what a vGPU has of its GPU's memory. Where a driver does not tell what pools reserve, what was allocated
// counts. Graphs may take what they are charged with at any launch.
func (m *memory) occupied(gpu int) uint64 {
	return m.occupiedWith(gpu, m.pools[gpu].reserved, m.pools[gpu].reservedByGraphs)
}

func (m *memory) occupiedWith(gpu int, reserved, byGraphs uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	by := &m.used[gpu]
	return by[outside] + max(by[fromPool], reserved) + max(by[ofGraph], byGraphs)
}

// fits says whether what has been counted fits into the vGPU's quota, if need be without what pools keep: so the driver
// does itself before an allocation fails.
func (m *memory) fits(api driver.API, gpu int) bool {
	reserved, byGraphs := m.pools[gpu].bound()
	if m.occupiedWith(gpu, reserved, byGraphs) <= m.quota[gpu] {
		return true
	}
	m.read(api, gpu)
	return m.inQuota(gpu) || m.trimmed(api, gpu) || m.observe(api, m.pools[gpu].graphs) && m.trimmed(api, gpu)
}

func (m *memory) inQuota(gpu int) bool { return m.occupied(gpu) <= m.quota[gpu] }

// trimmed says whether all fits when pools have given back what they can.
func (m *memory) trimmed(api driver.API, gpu int) bool {
	m.trim(api, gpu, func(bool) bool { return true })
	m.read(api, gpu)
	return m.inQuota(gpu)
}

// poolFits follows an allocation from a pool, 0 for the current one. It is false if the pool has grown for it beyond the
// vGPU's quota: the caller gives it back. Until that has come to pass, none is granted above the quota, grown or not, for
// it would be that very memory.
func (m *memory) poolFits(api driver.API, a allocation, pool driver.MemPool) bool {
	p := &m.pools[a.gpu]
	p.use(api, a.gpu, pool)
	before := p.reserved
	p.allocated += (a.bytes + poolAlign - 1) &^ (poolAlign - 1)
	if m.fits(api, a.gpu) {
		p.over = false
		return true
	}
	if p.reserved <= before && !p.over {
		return true
	}
	p.over = true
	return false
}

// use notes a pool that is allocated from.
func (p *pools) use(api driver.API, gpu int, pool driver.MemPool) {
	if pool == 0 {
		pool = p.current
	}
	if pool == 0 {
		if p.standard == 0 {
			p.standard, _ = api.DeviceGetDefaultMemPool(driver.Device(gpu))
		}
		pool = p.standard
	}
	if _, known := p.list[pool]; !known && pool != 0 {
		p.list[pool] = false
	}
}

// read asks the driver what has been freed and what the pools of a vGPU reserve, and ends those that the client has
// destroyed when they reserve nothing any more.
func (m *memory) read(api driver.API, gpu int) {
	p := &m.pools[gpu]
	m.settle(api)
	p.reserved, p.allocated = 0, 0
	for pool, destroyed := range p.list {
		n := reservedBy(api, pool)
		if n == 0 && destroyed && api.MemPoolDestroy(pool) == driver.Success {
			m.forgetPool(pool)
		}
		p.reserved += n
	}
	if p.graphs {
		p.reservedByGraphs = reservedByGraphs(api, gpu)
		m.mu.Lock()
		p.charged = m.used[gpu][ofGraph]
		m.mu.Unlock()
	}
	p.over = p.over && !m.inQuota(gpu)
}

// reservedBy is what the driver says that a pool reserves, 0 if it does not say.
func reservedBy(api driver.API, pool driver.MemPool) uint64 {
	b := make([]byte, 8)
	if api.MemPoolGetAttribute(pool, poolReservedNow, b) != driver.Success {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func reservedByGraphs(api driver.API, gpu int) uint64 {
	b := make([]byte, 8)
	if api.DeviceGetGraphMemAttribute(driver.Device(gpu), graphReservedNow, b) != driver.Success {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// trim has pools give back what they keep, those that which chooses by whether they are destroyed.
func (m *memory) trim(api driver.API, gpu int, which func(destroyed bool) bool) {
	p := &m.pools[gpu]
	if len(p.list) == 0 && !p.graphs {
		return
	}
	m.relaxed(api, func() {
		for pool, destroyed := range p.list {
			if which(destroyed) {
				api.MemPoolTrimTo(pool, 0)
			}
		}
		if p.graphs && which(false) {
			api.DeviceGraphMemTrim(driver.Device(gpu))
		}
	})
}

// forgetPool follows the end of a pool.
func (m *memory) forgetPool(pool driver.MemPool) {
	if gpu, ok := m.poolsOf[pool]; ok {
		delete(m.pools[gpu].list, pool)
		if m.pools[gpu].current == pool {
			m.pools[gpu].current = 0
		}
	}
	delete(m.poolsOf, pool)
}

// notePool notes the GPU of a pool that the client comes to know.
func (m *memory) notePool(pool driver.MemPool, device driver.Device) {
	if device >= 0 && int(device) < len(m.pools) {
		m.poolsOf[pool] = int(device)
	}
}

// choosePool follows cuDeviceSetMemPool.
func (m *memory) choosePool(device driver.Device, pool driver.MemPool) {
	if device >= 0 && int(device) < len(m.pools) {
		m.pools[device].current = pool
	}
}

// MemPoolCreate notes the pool's GPU: CUmemPoolProps has the location's type at 8 and its ordinal at 12.
func (c *charging) MemPoolCreate(props []byte) (driver.MemPool, driver.Result) {
	p, r := c.API.MemPoolCreate(props)
	if r == driver.Success {
		c.memory.notePool(p, locationOf(props[8:]))
	}
	return p, r
}

// locationOf is the device that a CUmemLocation names, -1 for a place of the host.
func locationOf(b []byte) driver.Device {
	const onDevice = 1
	if binary.LittleEndian.Uint32(b) != onDevice {
		return -1
	}
	return driver.Device(binary.LittleEndian.Uint32(b[4:]))
}

// MemPoolDestroy ends a pool when it has nothing any more: what it still has counts as long, and of a pool that has ended
// nobody can ask the driver. To the client it has ended at once.
func (c *charging) MemPoolDestroy(pool driver.MemPool) driver.Result {
	m := c.memory
	gpu, known := m.poolsOf[pool]
	if !known {
		return c.API.MemPoolDestroy(pool)
	}
	p, device := &m.pools[gpu], driver.Device(gpu)
	destroyed, used := p.list[pool]
	standard, r := c.API.DeviceGetDefaultMemPool(device)
	if r != driver.Success {
		return r
	}
	if used && pool != standard {
		m.relaxed(c.API, func() { c.API.MemPoolTrimTo(pool, 0) })
	}
	if !used || pool == standard || reservedBy(c.API, pool) == 0 {
		r := c.API.MemPoolDestroy(pool)
		if r == driver.Success {
			m.forgetPool(pool)
		}
		return r
	}
	if destroyed {
		return driver.ErrorInvalidValue
	}
	if now, r := c.API.DeviceGetMemPool(device); r == driver.Success && now == pool {
		c.API.DeviceSetMemPool(device, standard)
	}
	if p.current == pool {
		p.current = 0
	}
	c.API.MemPoolSetAttribute(pool, poolThreshold, make([]byte, 8))
	p.list[pool] = true
	m.trim(c.API, gpu, func(destroyed bool) bool { return destroyed })
	m.read(c.API, gpu)
	return driver.Success
}

// DeviceSetMemPool notes from which pool the device's allocations come that name none.
func (c *charging) DeviceSetMemPool(d driver.Device, pool driver.MemPool) driver.Result {
	r := c.API.DeviceSetMemPool(d, pool)
	if r == driver.Success {
		c.memory.choosePool(d, pool)
	}
	return r
}

// MemSetMemPool is DeviceSetMemPool for locations.
func (c *charging) MemSetMemPool(location []byte, kind uint32, pool driver.MemPool) driver.Result {
	const pinned = 1
	r := c.API.MemSetMemPool(location, kind, pool)
	if r == driver.Success && kind == pinned {
		c.memory.choosePool(locationOf(location), pool)
	}
	return r
}

// DeviceGetDefaultMemPool notes the pool's GPU, as what follows does.
func (c *charging) DeviceGetDefaultMemPool(d driver.Device) (driver.MemPool, driver.Result) {
	p, r := c.API.DeviceGetDefaultMemPool(d)
	return c.told(p, d, r)
}

func (c *charging) DeviceGetMemPool(d driver.Device) (driver.MemPool, driver.Result) {
	p, r := c.API.DeviceGetMemPool(d)
	return c.told(p, d, r)
}

func (c *charging) MemGetDefaultMemPool(location []byte, kind uint32) (driver.MemPool, driver.Result) {
	p, r := c.API.MemGetDefaultMemPool(location, kind)
	return c.told(p, locationOf(location), r)
}

func (c *charging) MemGetMemPool(location []byte, kind uint32) (driver.MemPool, driver.Result) {
	p, r := c.API.MemGetMemPool(location, kind)
	return c.told(p, locationOf(location), r)
}

func (c *charging) told(p driver.MemPool, d driver.Device, r driver.Result) (driver.MemPool, driver.Result) {
	if r == driver.Success {
		c.memory.notePool(p, d)
	}
	return p, r
}
