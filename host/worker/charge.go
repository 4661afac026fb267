// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
)

// charging is a driver that holds to the quota what has no address: arrays, and what graphs allocate. It belongs
// to the ring goroutine, as the API that it wraps.
type charging struct {
	driver.API
	memory *memory
	arrays map[uint64]allocation // by handle, of arrays and mipmapped ones
	graphs map[driver.Graph]*graphCharge
	execs  map[driver.GraphExec]*graphCharge
}

// graphCharge is what a graph and its instances allocate between them. The memory may stay the driver's until all
// have ended, and what launches have left to the program until that has freed it.
type graphCharge struct {
	list    []*graphAllocation
	frees   []driver.DevicePtr // of what other graphs allocate
	holders int
}

// graphAllocation is one of them. The driver may give several of a graph one address, each after the last is freed.
type graphAllocation struct {
	allocation
	at    driver.DevicePtr
	freed bool // by the graph itself
	left  bool // to the program, by a launch
}

func newCharging(api driver.API, m *memory) *charging {
	return &charging{API: api, memory: m, arrays: map[uint64]allocation{}, graphs: map[driver.Graph]*graphCharge{},
		execs: map[driver.GraphExec]*graphCharge{}}
}

// array runs the making of an array within the quota.
func array[T ~uint64](c *charging, bytes uint64, run func() (T, driver.Result)) (T, driver.Result) {
	device, r := c.CtxGetDevice()
	if r != driver.Success {
		return 0, r
	}
	a := allocation{int(device), bytes, outside}
	if !c.memory.reserve(c.API, a) {
		return 0, driver.ErrorOutOfMemory
	}
	h, r := run()
	if r != driver.Success {
		c.memory.unreserve(a)
		return 0, r
	}
	c.arrays[uint64(h)] = a
	return h, r
}

func (c *charging) ended(handle uint64, r driver.Result) driver.Result {
	if a, ok := c.arrays[handle]; ok && r == driver.Success {
		c.memory.unreserve(a)
		delete(c.arrays, handle)
	}
	if r == driver.Success {
		c.memory.forgetWithin(handle)
	}
	return r
}

// ArrayCreate charges an array by its CUDA_ARRAY_DESCRIPTOR.
func (c *charging) ArrayCreate(b []byte) (driver.Array, driver.Result) {
	le := binary.LittleEndian
	n := imageBytes(le.Uint64(b), le.Uint64(b[8:]), 1, le.Uint32(b[16:]), le.Uint32(b[20:]))
	return array(c, n, func() (driver.Array, driver.Result) { return c.API.ArrayCreate(b) })
}

// Array3DCreate charges an array by its CUDA_ARRAY3D_DESCRIPTOR.
func (c *charging) Array3DCreate(b []byte) (driver.Array, driver.Result) {
	return array(c, descriptorBytes(b, 0), func() (driver.Array, driver.Result) { return c.API.Array3DCreate(b) })
}

// MipmappedArrayCreate charges all levels.
func (c *charging) MipmappedArrayCreate(b []byte, levels uint32) (driver.MipmappedArray, driver.Result) {
	var n uint64
	for level := range min(levels, 32) {
		n += descriptorBytes(b, level)
	}
	return array(c, n, func() (driver.MipmappedArray, driver.Result) { return c.API.MipmappedArrayCreate(b, levels) })
}

// ArrayDestroy gives an array's bytes back.
func (c *charging) ArrayDestroy(h driver.Array) driver.Result {
	return c.ended(uint64(h), c.API.ArrayDestroy(h))
}

// MipmappedArrayDestroy gives a mipmapped array's bytes back.
func (c *charging) MipmappedArrayDestroy(h driver.MipmappedArray) driver.Result {
	return c.ended(uint64(h), c.API.MipmappedArrayDestroy(h))
}

// descriptorBytes is the size of a level of an array, 0 for one whose memory is mapped later, and has been charged.
func descriptorBytes(b []byte, level uint32) uint64 {
	const layered, sparse, deferred = 0x01, 0x40, 0x80
	le := binary.LittleEndian
	width, height, depth := le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:])
	flags := le.Uint32(b[32:])
	if flags&(sparse|deferred) != 0 {
		return 0
	}
	if flags&layered == 0 {
		depth >>= level
	}
	return imageBytes(width>>level, height>>level, depth, le.Uint32(b[24:]), le.Uint32(b[28:]))
}

// imageBytes is the size of an image; what is absurd is more than any quota. Formats that are not plain count four
// bytes for a component at most.
func imageBytes(width, height, depth uint64, format, channels uint32) uint64 {
	const limit = 1 << 20
	component := map[uint32]uint64{0x01: 1, 0x08: 1, 0x02: 2, 0x09: 2, 0x10: 2}[format]
	if component == 0 {
		component = 4
	}
	width, height, depth = max(width, 1), max(height, 1), max(depth, 1)
	if width > limit || height > limit || depth > limit {
		return 1 << 62
	}
	return min(width*height*depth, 1<<56) * component * uint64(min(max(channels, 1), 4))
}

// GraphAddMemAllocNode charges the graph, by its CUDA_MEM_ALLOC_NODE_PARAMS.
func (c *charging) GraphAddMemAllocNode(g driver.Graph, deps []driver.GraphNode, n uint64, params []byte) (driver.GraphNode, driver.Result) {
	const device, size, address = 12, 104, 112
	a := allocation{int(int32(binary.LittleEndian.Uint32(params[device:]))), binary.LittleEndian.Uint64(params[size:]), ofGraph}
	if !c.memory.reserve(c.API, a) {
		return 0, driver.ErrorOutOfMemory
	}
	node, r := c.API.GraphAddMemAllocNode(g, deps, n, params)
	if r != driver.Success {
		c.memory.unreserve(a)
		return 0, r
	}
	c.charge(g, a, driver.DevicePtr(binary.LittleEndian.Uint64(params[address:])))
	return node, r
}

// charge gives a graph an allocation that has been reserved.
func (c *charging) charge(g driver.Graph, a allocation, at driver.DevicePtr) {
	of := &graphAllocation{allocation: a, at: at}
	held := c.held(g)
	held.list = append(held.list, of)
	c.memory.noteGraph(of)
}

func (c *charging) held(g driver.Graph) *graphCharge {
	if c.graphs[g] == nil {
		c.graphs[g] = &graphCharge{holders: 1}
	}
	return c.graphs[g]
}

// GraphAddMemFreeNode notes what the graph frees.
func (c *charging) GraphAddMemFreeNode(g driver.Graph, deps []driver.GraphNode, n uint64, p driver.DevicePtr) (driver.GraphNode, driver.Result) {
	node, r := c.API.GraphAddMemFreeNode(g, deps, n, p)
	if r == driver.Success {
		c.frees(g, p)
	}
	return node, r
}

func (c *charging) frees(g driver.Graph, p driver.DevicePtr) {
	held := c.held(g)
	for _, a := range held.list {
		if a.at == p && !a.freed {
			a.freed = true
			return
		}
	}
	held.frees = append(held.frees, p)
}

// GraphLaunch leaves to the program what the graph does not free.
func (c *charging) GraphLaunch(e driver.GraphExec, stream driver.Stream) driver.Result {
	r := c.API.GraphLaunch(e, stream)
	if held := c.execs[e]; held != nil && r == driver.Success {
		for _, a := range held.list {
			a.left = !a.freed
		}
		for _, p := range held.frees {
			c.memory.forget(p)
		}
	}
	return r
}

// GraphMoveChild has the parent hold what the child does.
func (c *charging) GraphMoveChild(g driver.Graph, deps []driver.GraphNode, child driver.Graph) (driver.GraphNode, driver.Result) {
	n, r := c.API.GraphMoveChild(g, deps, child)
	if held := c.graphs[child]; held != nil && r == driver.Success {
		parent := c.held(g)
		parent.list = append(parent.list, held.list...)
		parent.frees = append(parent.frees, held.frees...)
		held.list = nil
		delete(c.graphs, child)
	}
	return n, r
}

// GraphInstantiateWithFlags has the instance hold what the graph does.
func (c *charging) GraphInstantiateWithFlags(g driver.Graph, flags uint64) (driver.GraphExec, driver.Result) {
	e, r := c.API.GraphInstantiateWithFlags(g, flags)
	if held := c.graphs[g]; held != nil && r == driver.Success {
		held.holders++
		c.execs[e] = held
	}
	return e, r
}

// GraphDestroy and GraphExecDestroy give back what nobody holds any more.
func (c *charging) GraphDestroy(g driver.Graph) driver.Result {
	r := c.API.GraphDestroy(g)
	if held := c.graphs[g]; held != nil && r == driver.Success {
		delete(c.graphs, g)
		c.release(held)
	}
	return r
}

// GraphExecDestroy ends an instance.
func (c *charging) GraphExecDestroy(e driver.GraphExec) driver.Result {
	r := c.API.GraphExecDestroy(e)
	if held := c.execs[e]; held != nil && r == driver.Success {
		delete(c.execs, e)
		c.release(held)
	}
	return r
}

func (c *charging) release(held *graphCharge) {
	if held.holders--; held.holders > 0 {
		return
	}
	for _, a := range held.list {
		c.memory.endGraph(a)
	}
}

// MemMap has a mapping hold what it maps.
func (c *charging) MemMap(p driver.DevicePtr, size, offset uint64, h driver.MemHandle, flags uint64) driver.Result {
	r := c.API.MemMap(p, size, offset, h, flags)
	if r == driver.Success {
		c.memory.noteMap(p, size, h)
	}
	return r
}

// MemUnmap ends mappings.
func (c *charging) MemUnmap(p driver.DevicePtr, size uint64) driver.Result {
	r := c.API.MemUnmap(p, size)
	if r == driver.Success {
		c.memory.forgetMap(p, size)
	}
	return r
}

// MulticastBindMem and MulticastBindAddr have an object hold what is bound to it.
func (c *charging) MulticastBindMem(mc driver.MemHandle, at uint64, h driver.MemHandle, offset, size, flags uint64) driver.Result {
	r := c.API.MulticastBindMem(mc, at, h, offset, size, flags)
	if r == driver.Success {
		c.memory.noteWithin(uint64(mc), h)
	}
	return r
}

// MulticastBindAddr binds what is mapped at an address.
func (c *charging) MulticastBindAddr(mc driver.MemHandle, at uint64, p driver.DevicePtr, size, flags uint64) driver.Result {
	r := c.API.MulticastBindAddr(mc, at, p, size, flags)
	if r == driver.Success {
		c.memory.noteAddressWithin(uint64(mc), p)
	}
	return r
}
