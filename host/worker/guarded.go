// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
)

// guarded is a driver that is handed nothing for a handle or an address of its own, in commands that the worker takes
// as they come, but what it has given out, and no handle that has ended with another. It belongs to the ring goroutine.
type guarded struct {
	driver.API
	handles    *handleTable
	conditions map[uint64]struct{} // handles of conditional nodes, which kernels have by value
	parts      parts
}

func newGuarded(api driver.API, t *handleTable) *guarded {
	return &guarded{api, t, map[uint64]struct{}{}, parts{}}
}

// Attributes of launches, streams and kernel nodes. The last is the newest that is known.
const (
	programmaticEvent = 7
	completionEvent   = 12
	deviceUpdatable   = 13
	lastAttribute     = 16
)

// plainAttribute says whether an attribute's value holds no handle.
func plainAttribute(id uint32) bool {
	return id <= lastAttribute && id != programmaticEvent && id != completionEvent && id != deviceUpdatable
}

// GraphKernelNodeSetAttribute refuses handles: those of attributes are of launches.
func (g *guarded) GraphKernelNodeSetAttribute(n driver.GraphNode, id uint32, value []byte) driver.Result {
	if !plainAttribute(id) {
		return driver.ErrorNotSupported
	}
	return g.API.GraphKernelNodeSetAttribute(n, id, value)
}

// GraphKernelNodeGetAttribute tells no handles.
func (g *guarded) GraphKernelNodeGetAttribute(n driver.GraphNode, id uint32, value []byte) driver.Result {
	if !plainAttribute(id) {
		return driver.ErrorNotSupported
	}
	return g.API.GraphKernelNodeGetAttribute(n, id, value)
}

// StreamSetAttribute refuses handles.
func (g *guarded) StreamSetAttribute(s driver.Stream, id uint32, value []byte) driver.Result {
	if !plainAttribute(id) {
		return driver.ErrorNotSupported
	}
	return g.API.StreamSetAttribute(s, id, value)
}

// GraphConditionalHandleCreate notes a handle.
func (g *guarded) GraphConditionalHandleCreate(graph driver.Graph, ctx driver.Context, initial, flags uint32) (uint64, driver.Result) {
	h, r := g.API.GraphConditionalHandleCreate(graph, ctx, initial, flags)
	if r == driver.Success {
		g.conditions[h] = struct{}{}
	}
	return h, r
}

// GraphAddConditional takes the handles that were noted, each for one node.
func (g *guarded) GraphAddConditional(graph driver.Graph, deps []driver.GraphNode, c driver.Conditional) (driver.GraphNode, []driver.Graph, driver.Result) {
	if _, ok := g.conditions[c.Handle]; !ok {
		return 0, nil, driver.ErrorInvalidValue
	}
	n, bodies, r := g.API.GraphAddConditional(graph, deps, c)
	if r == driver.Success {
		delete(g.conditions, c.Handle)
	}
	return n, bodies, r
}

// placedOnDevice says whether a CUmemLocation, or how a CUmemPoolProps begins at 8, names no place of the host, whose pools are
// the client's own: the driver's would pin memory of this process, which no quota has.
func placedOnDevice(location []byte) bool {
	const device = 1
	return binary.LittleEndian.Uint32(location) <= device
}

// MemPoolCreate takes a CUmemPoolProps: a type, handle types, a location, an address of another operating system.
func (g *guarded) MemPoolCreate(props []byte) (driver.MemPool, driver.Result) {
	if !placedOnDevice(props[8:]) {
		return 0, driver.ErrorNotSupported
	}
	binary.LittleEndian.PutUint64(props[16:], 0)
	return g.API.MemPoolCreate(props)
}

// MemGetDefaultMemPool tells of devices' pools.
func (g *guarded) MemGetDefaultMemPool(location []byte, kind uint32) (driver.MemPool, driver.Result) {
	if !placedOnDevice(location) {
		return 0, driver.ErrorNotSupported
	}
	return g.API.MemGetDefaultMemPool(location, kind)
}

// MemGetMemPool tells of devices' pools.
func (g *guarded) MemGetMemPool(location []byte, kind uint32) (driver.MemPool, driver.Result) {
	if !placedOnDevice(location) {
		return 0, driver.ErrorNotSupported
	}
	return g.API.MemGetMemPool(location, kind)
}
