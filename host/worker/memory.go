// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"maps"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
)

// memory accounts what a session holds, against each vGPU's quota, and the ranges of the region that are
// registered with the driver as pinned memory.
type memory struct {
	mu       sync.Mutex
	quota    []uint64
	used     []uint64
	device   map[driver.DevicePtr]allocation
	endsWith map[driver.DevicePtr]driver.Context // allocations that end with a context
	physical
	host   map[driver.HostPtr]uint64
	owner  map[driver.HostPtr]driver.Context // of registered ranges, with which they end
	alias  map[driver.HostPtr]driver.HostPtr // second addresses of registered ranges
	files  map[driver.HostPtr]uint64         // registered memory of the client's files, outside the region
	vacant vacancies                         // of aliases and files that were; the ring goroutine's
}

type allocation struct {
	gpu   int
	bytes uint64
}

func newMemory(vgpus []VGPU) *memory {
	m := &memory{device: map[driver.DevicePtr]allocation{}, endsWith: map[driver.DevicePtr]driver.Context{}, physical: newPhysical(), host: map[driver.HostPtr]uint64{}, owner: map[driver.HostPtr]driver.Context{},
		alias: map[driver.HostPtr]driver.HostPtr{}, files: map[driver.HostPtr]uint64{}}
	for _, v := range vgpus {
		m.quota = append(m.quota, v.MemoryBytes)
		m.used = append(m.used, 0)
	}
	return m
}

// reserve takes bytes of a vGPU's quota; false if they do not fit.
func (m *memory) reserve(gpu int, bytes uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if gpu < 0 || gpu >= len(m.quota) || bytes > m.quota[gpu]-min(m.used[gpu], m.quota[gpu]) {
		return false
	}
	m.used[gpu] += bytes
	return true
}

func (m *memory) unreserve(gpu int, bytes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giveBack(allocation{gpu, bytes})
}

// giveBack returns an allocation's bytes to its quota; the zero allocation has none. The caller holds mu.
func (m *memory) giveBack(a allocation) {
	if a.bytes > 0 {
		m.used[a.gpu] -= min(a.bytes, m.used[a.gpu])
	}
}

// note records what reserved bytes were allocated as, and the context that it ends with, 0 for memory of pools.
func (m *memory) note(p driver.DevicePtr, gpu int, bytes uint64, owner driver.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.device[p] = allocation{gpu, bytes}
	if owner != 0 {
		m.endsWith[p] = owner
	}
}

// forgetContext returns the bytes of the allocations that have ended with a context.
func (m *memory) forgetContext(ended driver.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, owner := range m.endsWith {
		if owner == ended {
			m.giveBack(m.device[p])
			delete(m.device, p)
			delete(m.endsWith, p)
		}
	}
}

// forget returns an allocation's bytes to its quota.
func (m *memory) forget(p driver.DevicePtr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giveBack(m.device[p])
	delete(m.device, p)
	delete(m.endsWith, p)
}

// size is that of an allocation of this session.
func (m *memory) size(p driver.DevicePtr) (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.device[p]
	return a.bytes, ok
}

// take makes an allocation the caller's to give back.
func (m *memory) take(p driver.DevicePtr) allocation {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.device[p]
	delete(m.device, p)
	return a
}

// free is what a vGPU has left, of what its GPU has free.
func (m *memory) free(gpu int, physical uint64) (free, total uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if gpu < 0 || gpu >= len(m.quota) {
		return 0, 0
	}
	return min(physical, m.quota[gpu]-min(m.used[gpu], m.quota[gpu])), m.quota[gpu]
}

// addHost records a range that is registered in a context; false if it overlaps one.
func (m *memory) addHost(p driver.HostPtr, bytes uint64, owner driver.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes == 0 {
		return false
	}
	for q, n := range m.host {
		if uint64(p) < uint64(q)+n && uint64(q) < uint64(p)+bytes {
			return false
		}
	}
	m.host[p], m.owner[p] = bytes, owner
	return true
}

// hostBytes is the size of the registered range that starts at p, 0 if there is none.
func (m *memory) hostBytes(p driver.HostPtr) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.host[p]
}

// hostRanges is a copy of the registered ranges.
func (m *memory) hostRanges() map[driver.HostPtr]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.host)
}

// hostsOf are the ranges that are registered in a context.
func (m *memory) hostsOf(owner driver.Context) []driver.HostPtr {
	m.mu.Lock()
	defer m.mu.Unlock()
	var of []driver.HostPtr
	for p, o := range m.owner {
		if o == owner {
			of = append(of, p)
		}
	}
	return of
}

// removeHost forgets a registered range; false if there is none that starts there.
func (m *memory) removeHost(p driver.HostPtr) (bytes uint64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	bytes, ok = m.host[p]
	delete(m.host, p)
	delete(m.owner, p)
	return bytes, ok
}

// addAlias notes that a registered range, of that size, has a second address; false if it has one or is none.
func (m *memory) addAlias(p driver.HostPtr, bytes uint64, at driver.HostPtr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, again := m.alias[p]; again || bytes == 0 || m.host[p] != bytes {
		return false
	}
	m.alias[p] = at
	return true
}

func (m *memory) removeAlias(p driver.HostPtr) (at driver.HostPtr, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok = m.alias[p]
	delete(m.alias, p)
	return at, ok
}

// addFile, removeFile and inFile are for memory of the client's files.
func (m *memory) addFile(p driver.HostPtr, bytes uint64) bool {
	const most = 4096
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.files) >= most {
		return false
	}
	m.files[p] = bytes
	return true
}

func (m *memory) removeFile(p driver.HostPtr) (bytes uint64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	bytes, ok = m.files[p]
	delete(m.files, p)
	return bytes, ok
}

func (m *memory) inFile(p driver.HostPtr, n uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for q, bytes := range m.files {
		if p >= q && uint64(p-q) <= bytes && n <= bytes-uint64(p-q) {
			return true
		}
	}
	return false
}

// fileRanges is a copy of the ranges of files.
func (m *memory) fileRanges() map[driver.HostPtr]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.files)
}
