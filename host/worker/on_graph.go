// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// onGraphList writes a page of a graph's nodes, roots or edges, or of a node's neighbours.
func (s *server) onGraphList(api driver.API, what uint32, g driver.Graph, n driver.GraphNode, start uint64, out []byte) (uint64, driver.Result) {
	var nodes []driver.GraphNode
	var edges []driver.GraphEdge
	var r driver.Result
	switch what {
	case wire.ListNodes:
		nodes, r = api.GraphNodes(g)
	case wire.ListRoots:
		nodes, r = api.GraphRootNodes(g)
	case wire.ListEdges:
		edges, r = api.GraphEdges(g)
	case wire.ListDependencies:
		edges, r = api.NodeDependencies(n)
	case wire.ListDependents:
		edges, r = api.NodeDependents(n)
	default:
		return 0, driver.ErrorInvalidValue
	}
	if r != driver.Success {
		return 0, r
	}
	for _, node := range nodes {
		edges = append(edges, driver.GraphEdge{From: node})
	}
	s.putEdges(out, edges, start)
	return uint64(len(edges)), r
}

func (s *server) putEdges(out []byte, edges []driver.GraphEdge, start uint64) {
	le := binary.LittleEndian
	for i := start; i < uint64(len(edges)) && len(out) >= wire.EdgeSize; i++ {
		le.PutUint64(out, s.handles.idOf(cuda.KindGraphNode, uint64(edges[i].From)))
		le.PutUint64(out[8:], s.handles.idOf(cuda.KindGraphNode, uint64(edges[i].To)))
		copy(out[16:], edges[i].Data[:])
		out = out[wire.EdgeSize:]
	}
}

func (s *server) onCaptureInfo(api driver.API, stream driver.Stream, start uint64, out []byte) (status uint32, id uint64, g driver.Graph, total uint64, r driver.Result) {
	info, r := api.CaptureInfo(stream)
	s.putEdges(out, info.Dependencies, start)
	return info.Status, info.ID, info.Graph, uint64(len(info.Dependencies)), r
}

func kernelNode(f driver.Function, k driver.Kernel, gx, gy, gz, bx, by, bz, shared uint32, params []byte) *driver.KernelNode {
	return &driver.KernelNode{Function: f, Kernel: k, Grid: [3]uint32{gx, gy, gz}, Block: [3]uint32{bx, by, bz}, SharedBytes: shared, Params: params}
}

func (s *server) onGraphAddKernel(api driver.API, g driver.Graph, deps []driver.GraphNode, edges []byte, _ uint64, f driver.Function, k driver.Kernel, gx, gy, gz, bx, by, bz, shared uint32, params []byte, _ uint64) (driver.GraphNode, driver.Result) {
	return api.GraphAddKernel(g, deps, edges, kernelNode(f, k, gx, gy, gz, bx, by, bz, shared, params))
}

func (s *server) onGraphSetKernel(api driver.API, e driver.GraphExec, n driver.GraphNode, f driver.Function, k driver.Kernel, gx, gy, gz, bx, by, bz, shared uint32, params []byte, _ uint64) driver.Result {
	node := kernelNode(f, k, gx, gy, gz, bx, by, bz, shared, params)
	if e != 0 {
		return api.GraphExecSetKernelParams(e, n, node)
	}
	return api.GraphSetKernelParams(n, node)
}

// onGraphUpdateKernel is onGraphSetKernel for a function that the node has taken before.
func (s *server) onGraphUpdateKernel(api driver.API, e driver.GraphExec, n driver.GraphNode, f driver.Function, k driver.Kernel, gx, gy, gz, bx, by, bz, shared uint32, params []byte, _ uint64) driver.Result {
	return s.onGraphSetKernel(api, e, n, f, k, gx, gy, gz, bx, by, bz, shared, params, 0)
}

// onGraphGetKernel writes a kernel node's shape and a page of its parameters.
func (s *server) onGraphGetKernel(api driver.API, n driver.GraphNode, start uint64, shape, params []byte) (driver.Function, driver.Kernel, uint64, driver.Result) {
	k, r := api.GraphKernelParams(n)
	if start < uint64(len(k.Params)) {
		copy(params, k.Params[start:])
	}
	le := binary.LittleEndian
	for i := range 3 {
		le.PutUint32(shape[4*i:], k.Grid[i])
		le.PutUint32(shape[12+4*i:], k.Block[i])
	}
	le.PutUint32(shape[24:], k.SharedBytes)
	return k.Function, k.Kernel, uint64(len(k.Params)), r
}

// onGraphGetMemcpy describes a copy with ids in the place of arrays. Host memory is the region's.
func (s *server) onGraphGetMemcpy(api driver.API, n driver.GraphNode, b []byte) driver.Result {
	r := api.GraphMemcpyNodeGetParams(n, b)
	if r != driver.Success {
		return r
	}
	le := binary.LittleEndian
	for _, at := range []side{src3D, dst3D} {
		if le.Uint32(b[at.kind:]) == memoryArray {
			le.PutUint64(b[at.array:], s.handles.idOf(cuda.KindArray, le.Uint64(b[at.array:])))
		}
		le.PutUint64(b[at.context:], 0) // reserved
	}
	return driver.Success
}

func (s *server) onGraphGetHost(api driver.API, n driver.GraphNode) (uint64, driver.Result) {
	call, r := api.GraphHostCall(n)
	if r != driver.Success {
		return 0, r
	}
	h, ok := call.(hostCall)
	if !ok {
		return 0, driver.ErrorNotSupported
	}
	return h.id, driver.Success
}

func (s *server) onGraphAddMemcpy(api driver.API, g driver.Graph, deps []driver.GraphNode, n uint64, b []byte) (driver.GraphNode, driver.Result) {
	if r := s.translate3D(b, false); r != driver.Success {
		return 0, r
	}
	return api.GraphAddMemcpyNode(g, deps, n, b, s.current)
}

func (s *server) onGraphSetMemcpy(api driver.API, e driver.GraphExec, n driver.GraphNode, b []byte) driver.Result {
	if r := s.translate3D(b, false); r != driver.Success {
		return r
	}
	if e != 0 {
		return api.GraphExecMemcpyNodeSetParams(e, n, b, s.current)
	}
	return api.GraphMemcpyNodeSetParams(n, b)
}

func (s *server) onGraphAddHost(api driver.API, g driver.Graph, deps []driver.GraphNode, _ uint64, id uint64) (driver.GraphNode, driver.Result) {
	return api.GraphAddHost(g, deps, s.calls.call(id))
}

// namedIn are the graph and node handles that the client may know of a graph that is about to end: the driver may
// give them to other graphs and nodes.
func (s *server) namedIn(g driver.Graph) (list []handle) {
	nodes, _ := s.api.GraphNodes(g)
	for _, n := range nodes {
		list = append(list, s.namedBy(n)...)
	}
	return list
}

func (s *server) namedBy(n driver.GraphNode) []handle {
	list := []handle{{value: uint64(n), kind: cuda.KindGraphNode}}
	for _, g := range s.objects.within[n] {
		list = append(append(list, handle{value: uint64(g), kind: cuda.KindGraph}), s.namedIn(g)...)
	}
	return list
}

// forget ends the ids of handles.
func (s *server) forget(list []handle) {
	for _, h := range list {
		s.handles.forget(h)
		if h.kind == cuda.KindGraphNode {
			delete(s.objects.within, driver.GraphNode(h.value))
		}
	}
}
