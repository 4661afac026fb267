// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"maps"
	"slices"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
)

// memory accounts what a session holds, against each vGPU's quota, and the ranges of the region that are
// registered with the driver as pinned memory.
type memory struct {
	mu          sync.Mutex
	quota       []uint64
	used        []usage
	pools       []pools
	poolsOf     map[driver.MemPool]int // the vGPU of each pool that the client may name, but for those of other sessions
	graphs      map[driver.DevicePtr]*graphAllocation
	device      map[driver.DevicePtr]allocation
	endsWith    map[driver.DevicePtr]driver.Context // allocations that end with a context
	leaving     []leaving                           // the ring goroutine's, as is how many there were when last looked through
	leavingLast int
	physical
	host   map[driver.HostPtr]uint64
	owner  map[driver.HostPtr]driver.Context // of registered ranges, with which they end
	alias  map[driver.HostPtr]secondAddress  // of registered ranges
	files  map[driver.HostPtr]uint64         // registered memory of the client's files, outside the region
	vacant vacancies                         // of aliases and files that were; the ring goroutine's

	// observe waits a while for what is about to be freed, by graphs too if asked; false if there is nothing. Relaxed runs
	// what a capture of the client's may forbid. The server sets them.
	observe func(api driver.API, graphs bool) bool
	relaxed func(driver.API, func())
}

type allocation struct {
	gpu   int
	bytes uint64
	source
}

// source is where memory comes from.
type source uint8

const (
	outside source = iota // of all pools
	fromPool
	ofGraph
	sources
)

// usage is how many bytes come from each source.
type usage [sources]uint64

func (u *usage) sum() uint64 { return u[outside] + u[fromPool] + u[ofGraph] }

func newMemory(vgpus []VGPU) *memory {
	m := &memory{poolsOf: map[driver.MemPool]int{}, graphs: map[driver.DevicePtr]*graphAllocation{}, device: map[driver.DevicePtr]allocation{},
		endsWith: map[driver.DevicePtr]driver.Context{}, physical: newPhysical(), host: map[driver.HostPtr]uint64{}, owner: map[driver.HostPtr]driver.Context{},
		alias: map[driver.HostPtr]secondAddress{}, files: map[driver.HostPtr]uint64{},
		observe: func(driver.API, bool) bool { return false }, relaxed: func(_ driver.API, run func()) { run() }}
	for _, v := range vgpus {
		m.quota = append(m.quota, v.MemoryBytes)
		m.used = append(m.used, usage{})
		m.pools = append(m.pools, pools{list: map[driver.MemPool]bool{}})
	}
	return m
}

// reserve takes an allocation's bytes of its vGPU's quota; false if they do not fit. By how much a pool grows for them,
// poolFits finds out afterwards.
func (m *memory) reserve(api driver.API, a allocation) bool {
	if !m.add(a) && !(m.settleFor(api) && m.add(a)) {
		return false
	}
	if a.source != fromPool && !m.fits(api, a.gpu) {
		m.unreserve(a)
		return false
	}
	return true
}

// add counts an allocation, if it fits beside the others.
func (m *memory) add(a allocation) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.gpu < 0 || a.gpu >= len(m.quota) || a.bytes > m.quota[a.gpu]-min(m.used[a.gpu].sum(), m.quota[a.gpu]) {
		return false
	}
	m.used[a.gpu][a.source] += a.bytes
	if a.source == ofGraph {
		m.pools[a.gpu].graphs = true
		m.pools[a.gpu].charged += a.bytes
	}
	return true
}

func (m *memory) unreserve(a allocation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giveBack(a)
}

// giveBack returns an allocation's bytes to its quota; the zero allocation has none. The caller holds mu.
func (m *memory) giveBack(a allocation) {
	if a.bytes > 0 {
		m.used[a.gpu][a.source] -= min(a.bytes, m.used[a.gpu][a.source])
	}
}

// note records what reserved bytes were allocated as, and the context that it ends with, 0 for memory of pools.
func (m *memory) note(p driver.DevicePtr, a allocation, owner driver.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.device[p] = a
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
	m.leaving = slices.DeleteFunc(m.leaving, func(l leaving) bool {
		if l.owner == ended { // and with it the event
			m.giveBack(l.allocation)
		}
		return l.owner == ended
	})
}

// forget returns an allocation's bytes to its quota.
func (m *memory) forget(p driver.DevicePtr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giveBack(m.device[p])
	delete(m.device, p)
	delete(m.endsWith, p)
	if a := m.graphs[p]; a != nil {
		a.left = false
	}
}

// noteGraph notes what a graph allocates.
func (m *memory) noteGraph(a *graphAllocation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.graphs[a.at] = a
}

// endGraph follows the end of a graph: what it has left to the program counts until that frees it.
func (m *memory) endGraph(a *graphAllocation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.graphs[a.at] == a {
		delete(m.graphs, a.at)
	}
	if a.left {
		m.device[a.at] = a.allocation
	} else {
		m.giveBack(a.allocation)
	}
}

// size is that of an allocation of this session.
func (m *memory) size(p driver.DevicePtr) (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.device[p]
	return a.bytes, ok
}

// free is what a vGPU has left, of what its GPU has free.
func (m *memory) free(api driver.API, gpu int, physical uint64) (free, total uint64) {
	if gpu < 0 || gpu >= len(m.quota) {
		return 0, 0
	}
	m.read(api, gpu)
	return min(physical, m.quota[gpu]-min(m.occupied(gpu), m.quota[gpu])), m.quota[gpu]
}

// addHost records a range that is registered in a context; false if it overlaps one.
func (m *memory) addHost(p driver.HostPtr, bytes uint64, owner driver.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes == 0 || m.overlapsHost(p, bytes) {
		return false
	}
	m.host[p], m.owner[p] = bytes, owner
	return true
}

// overlapsHost says whether some of these bytes are registered. The caller holds the lock.
func (m *memory) overlapsHost(p driver.HostPtr, bytes uint64) bool {
	for q, n := range m.host {
		if uint64(p) < uint64(q)+n && uint64(q) < uint64(p)+bytes {
			return true
		}
	}
	return false
}

// registered says whether a page of the region is, of which ranges have all or nothing.
func (m *memory) registered(page driver.HostPtr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.overlapsHost(page, pageBytes)
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

// secondAddress is where bytes of a registered range, whole pages, lie too.
type secondAddress struct {
	at    driver.HostPtr
	bytes uint64
}

// addAlias notes the second address of a part of a registered range, behind its first skip bytes; false if it has one, or
// if that is no part of one.
func (m *memory) addAlias(p driver.HostPtr, skip uint64, a secondAddress) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.host[p]
	if _, again := m.alias[p]; again || a.bytes == 0 || (skip|a.bytes)%pageBytes != 0 || skip > n || a.bytes > n-skip {
		return false
	}
	m.alias[p] = a
	return true
}

func (m *memory) removeAlias(p driver.HostPtr) (a secondAddress, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok = m.alias[p]
	delete(m.alias, p)
	return a, ok
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
