// SPDX-License-Identifier: Apache-2.0

package worker

import "github.com/orion-vgpu/orion/host/driver"

// physical is memory of cuMemCreate, as the quota has it: it counts until no handle, no mapping, and no array or
// multicast object has it any more. What was imported from other sessions counts there.
type physical struct {
	handles map[driver.MemHandle]*handleUse
	mapped  map[driver.DevicePtr]mapping
	within  map[uint64]map[*chunk]struct{} // sparse arrays and multicast objects, by handle, until they end
}

// chunk is one cuMemCreate.
type chunk struct {
	allocation
	users int // entries of physical
}

// handleUse counts how often a handle is to be released.
type handleUse struct {
	*chunk
	n int
}

type mapping struct {
	*chunk
	bytes uint64
}

func newPhysical() physical {
	return physical{map[driver.MemHandle]*handleUse{}, map[driver.DevicePtr]mapping{}, map[uint64]map[*chunk]struct{}{}}
}

// noteHandle records what reserved bytes were made.
func (m *memory) noteHandle(h driver.MemHandle, a allocation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addHandle(h, &chunk{allocation: a})
}

// addHandle gives a chunk one more handle. The caller holds mu.
func (m *memory) addHandle(h driver.MemHandle, c *chunk) {
	use := m.handles[h]
	if use == nil || use.chunk != c {
		use = &handleUse{chunk: c}
		m.handles[h] = use
	}
	use.n++
	c.users++
}

// retainHandle notes the handle that an address was asked for.
func (m *memory) retainHandle(h driver.MemHandle, at driver.DevicePtr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.chunkAt(at)
	if c == nil {
		c = m.chunkOf(h)
	}
	m.addHandle(h, c)
}

// aliasHandle notes a handle of what another one names, or it has named itself before. What is new here is another
// session's, where it counts, or takes no memory itself.
func (m *memory) aliasHandle(h, of driver.MemHandle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addHandle(h, m.chunkOf(of))
}

// chunkOf is what a handle names. The caller holds mu.
func (m *memory) chunkOf(h driver.MemHandle) *chunk {
	if use := m.handles[h]; use != nil {
		return use.chunk
	}
	return &chunk{}
}

// uses is how often a handle is to be released.
func (m *memory) uses(h driver.MemHandle) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if use := m.handles[h]; use != nil {
		return use.n
	}
	return 0
}

// forgetHandle follows a release.
func (m *memory) forgetHandle(h driver.MemHandle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if use := m.handles[h]; use != nil {
		if use.n--; use.n == 0 {
			delete(m.handles, h)
		}
		m.letGo(use.chunk)
	}
}

// letGo ends one use of a chunk. The caller holds mu.
func (m *memory) letGo(c *chunk) {
	if c.users--; c.users == 0 {
		m.giveBack(c.allocation)
	}
}

// noteMap and forgetMap follow cuMemMap and cuMemUnmap, which takes several mappings at once.
func (m *memory) noteMap(p driver.DevicePtr, n uint64, h driver.MemHandle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if use := m.handles[h]; use != nil {
		m.mapped[p] = mapping{use.chunk, n}
		use.users++
	}
}

func (m *memory) forgetMap(p driver.DevicePtr, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if of, ok := m.mapped[p]; ok && of.bytes == n {
		delete(m.mapped, p)
		m.letGo(of.chunk)
		return
	}
	for at, of := range m.mapped {
		if uint64(at)-uint64(p) < n {
			delete(m.mapped, at)
			m.letGo(of.chunk)
		}
	}
}

// chunkAt is what is mapped at an address, or nil. The caller holds mu.
func (m *memory) chunkAt(p driver.DevicePtr) *chunk {
	for at, of := range m.mapped {
		if uint64(p)-uint64(at) < of.bytes {
			return of.chunk
		}
	}
	return nil
}

// noteWithin notes that an object has come to have what a handle names.
func (m *memory) noteWithin(object uint64, h driver.MemHandle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if use := m.handles[h]; use != nil {
		m.addWithin(object, use.chunk)
	}
}

// noteAddressWithin is noteWithin for what is mapped at an address.
func (m *memory) noteAddressWithin(object uint64, p driver.DevicePtr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.chunkAt(p); c != nil {
		m.addWithin(object, c)
	}
}

func (m *memory) addWithin(object uint64, c *chunk) {
	if m.within[object] == nil {
		m.within[object] = map[*chunk]struct{}{}
	}
	if _, again := m.within[object][c]; !again {
		m.within[object][c] = struct{}{}
		c.users++
	}
}

// forgetWithin follows the end of an object.
func (m *memory) forgetWithin(object uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.within[object] {
		m.letGo(c)
	}
	delete(m.within, object)
}
