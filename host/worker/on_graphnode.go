// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
)

// Parameters of nodes that allocate: a CUDA_MEM_ALLOC_NODE_PARAMS.
const (
	allocLocation    = 8
	allocSecurity    = 16 // of another operating system
	allocAccess      = 88
	allocAccessCount = 96
	accessBytes      = 12
)

// onGraphAddMemAlloc has the list of accesses apart, where the driver wants its address.
func (s *server) onGraphAddMemAlloc(api driver.API, g driver.Graph, deps []driver.GraphNode, n uint64, params, access []byte, count uint64) (driver.GraphNode, driver.Result) {
	const onDevice = 1
	le := binary.LittleEndian
	if le.Uint32(params[allocLocation:]) != onDevice { // memory of this host, which the client does not see
		return 0, driver.ErrorNotSupported
	}
	le.PutUint64(params[allocSecurity:], 0)
	le.PutUint64(params[allocAccess:], addressOf(access))
	le.PutUint64(params[allocAccessCount:], count)
	node, r := api.GraphAddMemAllocNode(g, deps, n, params)
	runtime.KeepAlive(access)
	le.PutUint64(params[allocAccess:], 0)
	return node, r
}

func (s *server) onGraphGetMemAlloc(api driver.API, n driver.GraphNode, params, access []byte) driver.Result {
	r := api.GraphMemAllocNodeGetParams(n, params)
	if r != driver.Success {
		return r
	}
	le := binary.LittleEndian
	p, count := le.Uint64(params[allocAccess:]), min(le.Uint64(params[allocAccessCount:]), uint64(len(access)/accessBytes))
	copy(access, driverBytes(p, accessBytes*count))
	le.PutUint64(params[allocAccess:], 0)
	le.PutUint64(params[allocAccessCount:], count)
	return driver.Success
}

// batch is a CUDA_BATCH_MEM_OP_NODE_PARAMS: context, count, list, flags.
func batch(ctx driver.Context, ops []byte, count, flags uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, 32)
	le.PutUint64(b, uint64(ctx))
	le.PutUint32(b[8:], count)
	le.PutUint64(b[16:], addressOf(ops))
	le.PutUint32(b[24:], flags)
	return b
}

func (s *server) onGraphAddBatch(api driver.API, g driver.Graph, deps []driver.GraphNode, n uint64, ctx driver.Context, ops []byte, count, flags uint32) (driver.GraphNode, driver.Result) {
	node, r := api.GraphAddBatchMemOpNode(g, deps, n, batch(ctx, ops, count, flags))
	runtime.KeepAlive(ops)
	return node, r
}

func (s *server) onGraphSetBatch(api driver.API, e driver.GraphExec, n driver.GraphNode, ctx driver.Context, ops []byte, count, flags uint32) (r driver.Result) {
	if b := batch(ctx, ops, count, flags); e != 0 {
		r = api.GraphExecBatchMemOpNodeSetParams(e, n, b)
	} else {
		r = api.GraphBatchMemOpNodeSetParams(n, b)
	}
	runtime.KeepAlive(ops)
	return r
}

// onGraphGetBatch writes a page of a node's operations.
func (s *server) onGraphGetBatch(api driver.API, n driver.GraphNode, start uint32, out []byte) (count, flags uint32, r driver.Result) {
	const opBytes, most = 48, 1 << 16
	b := make([]byte, 32)
	if r = api.GraphBatchMemOpNodeGetParams(n, b); r != driver.Success {
		return 0, 0, r
	}
	le := binary.LittleEndian
	count, flags = min(le.Uint32(b[8:]), most), le.Uint32(b[24:])
	if start < count {
		copy(out, driverBytes(le.Uint64(b[16:]), opBytes*uint64(count))[opBytes*start:])
	}
	return count, flags, r
}

// onGraphAddConditional returns the ids of the node's bodies, which are the driver's to make.
func (s *server) onGraphAddConditional(api driver.API, g driver.Graph, deps []driver.GraphNode, _, handle uint64, kind, size uint32, ctx driver.Context, out []byte) (driver.GraphNode, driver.Result) {
	if ctx == 0 {
		ctx = s.current
	}
	n, bodies, r := api.GraphAddConditional(g, deps, driver.Conditional{Handle: handle, Kind: kind, Size: size, Context: ctx})
	if r == driver.Success {
		s.objects.within[n] = bodies
	}
	for i, body := range bodies[:min(len(bodies), int(size))] {
		binary.LittleEndian.PutUint64(out[8*i:], s.handles.idOf(cuda.KindGraph, uint64(body)))
	}
	return n, r
}

func (s *server) onGraphMoveChild(api driver.API, g driver.Graph, deps []driver.GraphNode, _ uint64, child driver.Graph) (driver.GraphNode, driver.Result) {
	n, r := api.GraphMoveChild(g, deps, child)
	if r == driver.Success {
		s.objects.within[n] = []driver.Graph{child}
	}
	return n, r
}

// onGraphDeviceHandle tells the driver's own handle of an instance that kernels may launch: they have it as an argument.
func (s *server) onGraphDeviceHandle(api driver.API, e driver.GraphExec) (uint64, driver.Result) {
	const deviceLaunch = 4
	flags, r := api.GraphExecGetFlags(e)
	if r == driver.Success && flags&deviceLaunch == 0 {
		r = driver.ErrorInvalidValue
	}
	if r != driver.Success {
		return 0, r
	}
	return uint64(e), driver.Success
}

// onGraphUpdate returns the driver's refusal of an update as a result among others: it says why, and of which nodes.
func (s *server) onGraphUpdate(api driver.API, e driver.GraphExec, g driver.Graph) (failure, why uint32, node, from driver.GraphNode, r driver.Result) {
	info := make([]byte, 24) // a CUgraphExecUpdateResultInfo
	refused := api.GraphExecUpdateV2(e, g, info)
	if refused == driver.ErrorNotSupported { // before CUDA 12.0
		node, why, refused = api.GraphExecUpdate(e, g)
		return uint32(refused), why, node, 0, driver.Success
	}
	le := binary.LittleEndian
	return uint32(refused), le.Uint32(info), driver.GraphNode(le.Uint64(info[8:])), driver.GraphNode(le.Uint64(info[16:])), driver.Success
}

// onGraphRefusal has the driver refuse a graph once more, by the function that says why.
func (s *server) onGraphRefusal(api driver.API, g driver.Graph, flags uint64) (why uint32, node driver.GraphNode, r driver.Result) {
	le := binary.LittleEndian
	params := make([]byte, 32) // CUDA_GRAPH_INSTANTIATE_PARAMS
	le.PutUint64(params, flags)
	e, r := api.GraphInstantiateWithParams(g, params)
	if r == driver.Success { // what stood against it has gone
		return 0, 0, api.GraphExecDestroy(e)
	}
	return le.Uint32(params[24:]), driver.GraphNode(le.Uint64(params[16:])), driver.Success // zeros, before CUDA 12.0
}

func (s *server) onGraphSetHost(api driver.API, e driver.GraphExec, n driver.GraphNode, id uint64) driver.Result {
	if e != 0 {
		return api.GraphExecSetHost(e, n, s.calls.call(id))
	}
	return api.GraphSetHost(n, s.calls.call(id))
}

// addressOf is where a list lies that a call of the driver reads; the caller keeps it alive.
func addressOf(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

// driverBytes is memory of the driver's own that it has named.
func driverBytes(p, n uint64) []byte {
	if p == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&p)), n)
}
