// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// graphMemory is what a node of a graph allocates at each launch. It has one address for its whole life, which
// ends when no graph, no instance and no program holds it. Its device's graphAllocations guard it.
type graphMemory struct {
	dev         *device
	addr, bytes uint64
	taken       uint64 // of the GPU's memory
	holders     int    // nodes, steps, and frees under way
	live        bool   // allocated by a launch and not freed since
}

// allocOp stands where a graph allocates; params is its CUDA_MEM_ALLOC_NODE_PARAMS, the list of accesses apart.
type allocOp struct {
	m      *graphMemory
	params []byte
	access []byte
}

func (allocOp) kind() uint32               { return nodeMemAlloc }
func (allocOp) run(*context) driver.Result { return driver.Success }

// graphFreeOp stands where a graph frees what one has allocated.
type graphFreeOp struct{ m *graphMemory }

func (graphFreeOp) kind() uint32               { return nodeMemFree }
func (graphFreeOp) run(*context) driver.Result { return driver.Success }

// graphAllocations are a GPU's, by address. What they have taken is kept for those to come.
type graphAllocations struct {
	mu                     sync.Mutex
	list                   map[uint64]*graphMemory
	kept                   map[uint64]uint64 // sizes
	mostUsed, mostReserved uint64
}

// with runs f on the memory, then frees it if nobody holds it any more.
func (m *graphMemory) with(f func()) {
	a := &m.dev.graphAllocations
	a.mu.Lock()
	f()
	if m.holders == 0 && !m.live && a.list[m.addr] == m {
		delete(a.list, m.addr)
		m.dev.d.space.Remove(m.addr)
		a.kept[m.addr] = m.taken
	}
	used, reserved := a.sums()
	a.mostUsed, a.mostReserved = max(a.mostUsed, used), max(a.mostReserved, reserved)
	a.mu.Unlock()
}

// trim gives back what is kept.
func (a *graphAllocations) trim(dev *device) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for addr, n := range a.kept {
		dev.memory.Release(addr, n)
	}
	clear(a.kept)
}

// add takes memory for a node, which is to hold it: of what is kept, if that fits.
func (a *graphAllocations) add(dev *device, n uint64) (*graphMemory, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := &graphMemory{dev: dev, bytes: n, taken: n, holders: 1}
	for addr, size := range a.kept {
		if size >= n && (m.addr == 0 || size < m.taken) {
			m.addr, m.taken = addr, size
		}
	}
	if m.addr == 0 {
		var err error
		if m.addr, err = dev.memory.Hold(n); err != nil {
			return nil, err
		}
	}
	delete(a.kept, m.addr)
	if err := dev.d.space.Add(mem.Range{Lo: m.addr, Hi: m.addr + n, Device: dev.ordinal}); err != nil {
		a.kept[m.addr] = m.taken
		return nil, err
	}
	a.list[m.addr] = m
	return m, nil
}

// sums are the bytes that launches have left allocated, and those of all with what is kept. The caller holds mu.
func (a *graphAllocations) sums() (used, reserved uint64) {
	for _, m := range a.list {
		reserved += m.taken
		if m.live {
			used += m.bytes
		}
	}
	for _, n := range a.kept {
		reserved += n
	}
	return used, reserved
}

// hold and drop count the holders of a node's memory.
func hold(op operation) {
	if o, ok := op.(allocOp); ok {
		o.m.with(func() { o.m.holders++ })
	}
}

func drop(op operation) {
	if o, ok := op.(allocOp); ok {
		o.m.with(func() { o.m.holders-- })
	}
}

// instances says whether an instance of the graph lives: what it allocates has one address.
func (g *graph) instances() bool {
	for _, n := range g.nodes {
		if o, ok := n.op.(allocOp); ok {
			more := false
			o.m.with(func() { more = o.m.holders > 1 })
			if more {
				return true
			}
		}
	}
	return false
}

// newGraphMemory takes memory for a node, which is to hold it.
func (dev *device) newGraphMemory(n uint64) (*graphMemory, driver.Result) {
	if n == 0 {
		return nil, driver.ErrorInvalidValue
	}
	m, err := scarce(dev, func() (*graphMemory, error) { return dev.graphAllocations.add(dev, n) })
	if err != nil {
		return nil, driver.ErrorOutOfMemory
	}
	return m, driver.Success
}

// release ends the hold that newGraphMemory or freeing gave.
func (m *graphMemory) release() { m.with(func() { m.holders-- }) }

// graphMemoryAt returns what a graph has allocated at an address, nil if none has.
func (d *Driver) graphMemoryAt(addr uint64) *graphMemory {
	dev, _, ok := d.owner(addr)
	if !ok {
		return nil
	}
	a := &dev.graphAllocations
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.list[addr]
}

// freeing notes that the program frees what a launch has allocated; the caller releases the memory when the
// work before that has ended.
func (m *graphMemory) freeing() driver.Result {
	r := driver.Result(driver.ErrorInvalidValue)
	m.with(func() {
		if m.live {
			m.live = false
			m.holders++
			r = driver.Success
		}
	})
	return r
}

// graphReleaseOp lets go of memory in stream order.
type graphReleaseOp struct{ m *graphMemory }

func (graphReleaseOp) kind() uint32 { return nodeEmpty }

func (o graphReleaseOp) run(*context) driver.Result {
	o.m.release()
	return driver.Success
}

// allocate notes what the steps of a launch leave allocated. An allocation of an earlier launch must have been
// freed, unless the instance does that by itself.
func allocate(steps []step, again bool) driver.Result {
	freed := map[*graphMemory]bool{}
	for _, s := range steps {
		if o, ok := s.op.(graphFreeOp); ok {
			freed[o.m] = true
		}
	}
	for _, s := range steps {
		o, ok := s.op.(allocOp)
		if !ok {
			continue
		}
		live := false
		o.m.with(func() {
			if live = o.m.live; !live || again {
				o.m.live = !freed[o.m]
			}
		})
		if live && !again {
			return driver.ErrorInvalidValue
		}
	}
	for m := range freed { // of other graphs
		m.with(func() { m.live = false })
	}
	return driver.Success
}

// allocates says whether a graph has nodes that allocate or free: such a graph is not copied.
func (g *graph) allocates() bool {
	for _, n := range g.nodes {
		switch n.op.kind() {
		case nodeMemAlloc, nodeMemFree:
			return true
		}
	}
	return false
}

// GraphAddMemAllocNode takes a CUDA_MEM_ALLOC_NODE_PARAMS: the device at 12, the list of accesses at 88, the
// size at 104, and the address, a result, at 112.
func (t *thread) GraphAddMemAllocNode(g driver.Graph, deps []driver.GraphNode, _ uint64, params []byte) (driver.GraphNode, driver.Result) {
	le := binary.LittleEndian
	const handleTypes, location, accessBytes, most = 4, 8, 12, 64
	dev, r := t.d.device(driver.Device(le.Uint32(params[location+4:])))
	count := le.Uint64(params[96:])
	if r != driver.Success || le.Uint32(params[location:]) != 1 || le.Uint32(params[handleTypes:]) != 0 || count > most {
		return 0, driver.ErrorInvalidValue
	}
	m, r := dev.newGraphMemory(le.Uint64(params[104:]))
	if r != driver.Success {
		return 0, r
	}
	le.PutUint64(params[112:], m.addr)
	op := allocOp{m, append([]byte(nil), params...), append([]byte(nil), hostBytes(driver.HostPtr(le.Uint64(params[88:])), accessBytes*count)...)}
	le.PutUint64(op.params[88:], 0)
	defer m.release()
	return t.addNode(g, deps, op)
}

// GraphMemAllocNodeGetParams names the list of accesses that the node keeps.
func (t *thread) GraphMemAllocNodeGetParams(h driver.GraphNode, out []byte) driver.Result {
	o, r := opOf[allocOp](t, h)
	if r != driver.Success {
		return r
	}
	copy(out, o.params)
	if len(o.access) > 0 {
		binary.LittleEndian.PutUint64(out[88:], addressOf(o.access))
	}
	return driver.Success
}

func (t *thread) GraphAddMemFreeNode(g driver.Graph, deps []driver.GraphNode, _ uint64, p driver.DevicePtr) (driver.GraphNode, driver.Result) {
	m := t.d.graphMemoryAt(uint64(p))
	if m == nil {
		return 0, driver.ErrorInvalidValue
	}
	return t.addNode(g, deps, graphFreeOp{m})
}

func (t *thread) GraphMemFreeNodeGetParams(h driver.GraphNode) (driver.DevicePtr, driver.Result) {
	o, r := opOf[graphFreeOp](t, h)
	if r != driver.Success {
		return 0, r
	}
	return driver.DevicePtr(o.m.addr), driver.Success
}

// capturedAlloc makes a node of an allocation in a capture.
func (t *thread) capturedAlloc(dev *device, n uint64, s *stream) (driver.DevicePtr, driver.Result) {
	m, r := dev.newGraphMemory(n)
	if r != driver.Success {
		return 0, r
	}
	le := binary.LittleEndian
	params := make([]byte, 120)
	le.PutUint32(params, 1) // pinned
	le.PutUint32(params[8:], 1)
	le.PutUint32(params[12:], uint32(dev.ordinal))
	le.PutUint64(params[104:], n)
	le.PutUint64(params[112:], m.addr)
	defer m.release()
	_, r = t.d.captured(s, allocOp{m: m, params: params})
	return driver.DevicePtr(m.addr), r
}

// Numbers of CUgraphMem_attribute.
const (
	graphUsed = iota
	graphUsedHigh
	graphReserved
	graphReservedHigh
)

func (t *thread) DeviceGraphMemTrim(h driver.Device) driver.Result {
	dev, r := t.d.device(h)
	if r == driver.Success {
		dev.graphAllocations.trim(dev)
	}
	return r
}

func (t *thread) DeviceGetGraphMemAttribute(h driver.Device, attribute uint32, value []byte) driver.Result {
	dev, r := t.d.device(h)
	if r != driver.Success {
		return r
	}
	a := &dev.graphAllocations
	a.mu.Lock()
	defer a.mu.Unlock()
	used, reserved := a.sums()
	values := [...]uint64{graphUsed: used, graphUsedHigh: a.mostUsed, graphReserved: reserved, graphReservedHigh: a.mostReserved}
	if attribute >= uint32(len(values)) {
		return driver.ErrorInvalidValue
	}
	clear(value)
	binary.LittleEndian.PutUint64(value, values[attribute])
	return driver.Success
}

// DeviceSetGraphMemAttribute starts a measurement of the most anew.
func (t *thread) DeviceSetGraphMemAttribute(h driver.Device, attribute uint32, value []byte) driver.Result {
	dev, r := t.d.device(h)
	if r != driver.Success {
		return r
	}
	a := &dev.graphAllocations
	a.mu.Lock()
	defer a.mu.Unlock()
	used, reserved := a.sums()
	switch {
	case binary.LittleEndian.Uint64(value) != 0:
		return driver.ErrorInvalidValue
	case attribute == graphUsedHigh:
		a.mostUsed = used
	case attribute == graphReservedHigh:
		a.mostReserved = reserved
	default:
		return driver.ErrorInvalidValue
	}
	return driver.Success
}
