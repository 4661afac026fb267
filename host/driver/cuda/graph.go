// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
)

// maxNodes bounds the lists of one graph.
const maxNodes = 1 << 22

// GraphNodes calls cuGraphGetNodes.
func (t *Thread) GraphNodes(g driver.Graph) ([]driver.GraphNode, driver.Result) {
	return t.nodes(t.d.extra.graphGetNodes, g)
}

// GraphRootNodes calls cuGraphGetRootNodes.
func (t *Thread) GraphRootNodes(g driver.Graph) ([]driver.GraphNode, driver.Result) {
	return t.nodes(t.d.extra.graphGetRootNodes, g)
}

func (t *Thread) nodes(fn unsafe.Pointer, g driver.Graph) ([]driver.GraphNode, driver.Result) {
	a := t.frame.args
	a[0], a[1], a[2] = uint64(g), 0, t.frame.out(0, 0)
	if r := t.invoke(fn, 3); r != driver.Success {
		return nil, r
	}
	n := min(t.frame.outs[0], maxNodes)
	list := make([]driver.GraphNode, n)
	if n == 0 {
		return list, driver.Success
	}
	a[0], a[1], a[2] = uint64(g), address(list), t.frame.out(0, n)
	r := t.invoke(fn, 3)
	runtime.KeepAlive(list)
	return list, r
}

// GraphEdges calls cuGraphGetEdges.
func (t *Thread) GraphEdges(g driver.Graph) ([]driver.GraphEdge, driver.Result) {
	a := t.frame.args
	a[0], a[1], a[2], a[3], a[4] = uint64(g), 0, 0, 0, t.frame.out(0, 0)
	if r := t.invoke(t.d.extra.graphGetEdges, 5); r != driver.Success {
		return nil, r
	}
	n := min(t.frame.outs[0], maxNodes)
	if n == 0 {
		return nil, driver.Success
	}
	from, to, data := make([]driver.GraphNode, n), make([]driver.GraphNode, n), make([][8]byte, n)
	a[0], a[1], a[2], a[3], a[4] = uint64(g), address(from), address(to), address(data), t.frame.out(0, n)
	r := t.invoke(t.d.extra.graphGetEdges, 5)
	edges := make([]driver.GraphEdge, n)
	for i := range edges {
		edges[i] = driver.GraphEdge{From: from[i], To: to[i], Data: data[i]}
	}
	return edges, r
}

// NodeDependencies calls cuGraphNodeGetDependencies.
func (t *Thread) NodeDependencies(n driver.GraphNode) ([]driver.GraphEdge, driver.Result) {
	others, data, r := t.neighbours(t.d.extra.nodeDeps, n)
	edges := make([]driver.GraphEdge, len(others))
	for i := range edges {
		edges[i] = driver.GraphEdge{From: others[i], To: n, Data: data[i]}
	}
	return edges, r
}

// NodeDependents calls cuGraphNodeGetDependentNodes.
func (t *Thread) NodeDependents(n driver.GraphNode) ([]driver.GraphEdge, driver.Result) {
	others, data, r := t.neighbours(t.d.extra.nodeDepends, n)
	edges := make([]driver.GraphEdge, len(others))
	for i := range edges {
		edges[i] = driver.GraphEdge{From: n, To: others[i], Data: data[i]}
	}
	return edges, r
}

func (t *Thread) neighbours(fn unsafe.Pointer, node driver.GraphNode) ([]driver.GraphNode, [][8]byte, driver.Result) {
	a := t.frame.args
	a[0], a[1], a[2], a[3] = uint64(node), 0, 0, t.frame.out(0, 0)
	if r := t.invoke(fn, 4); r != driver.Success {
		return nil, nil, r
	}
	n := min(t.frame.outs[0], maxNodes)
	if n == 0 {
		return nil, nil, driver.Success
	}
	list, data := make([]driver.GraphNode, n), make([][8]byte, n)
	a[0], a[1], a[2], a[3] = uint64(node), address(list), address(data), t.frame.out(0, n)
	r := t.invoke(fn, 4)
	runtime.KeepAlive(list)
	runtime.KeepAlive(data)
	return list, data, r
}

// CaptureInfo calls the newest cuStreamGetCaptureInfo that the driver has.
func (t *Thread) CaptureInfo(s driver.Stream) (driver.CaptureInfo, driver.Result) {
	a, f := t.frame.args, t.frame
	a[0], a[1], a[2], a[3], a[4] = uint64(s), f.out(0, 0), f.out(1, 0), f.out(2, 0), f.out(3, 0)
	var r driver.Result
	f.outs[5] = 0
	if t.d.extra.captureInfo3 != nil {
		a[5], a[6] = f.out(5, 0), f.out(4, 0)
		r = t.invoke(t.d.extra.captureInfo3, 7)
	} else {
		a[5] = f.out(4, 0)
		r = t.invoke(t.d.extra.captureInfo2, 6)
	}
	info := driver.CaptureInfo{Status: uint32(f.outs[0]), ID: f.outs[1], Graph: driver.Graph(f.outs[2])}
	if r != driver.Success || info.Status != 1 {
		return info, r
	}
	if n := min(f.outs[4], maxNodes); n > 0 && f.outs[3] != 0 {
		nodes := unsafe.Slice((*driver.GraphNode)(pointer(f.outs[3])), n)
		info.Dependencies = make([]driver.GraphEdge, n)
		for i := range info.Dependencies {
			info.Dependencies[i].From = nodes[i]
			if f.outs[5] != 0 {
				info.Dependencies[i].Data = unsafe.Slice((*[8]byte)(pointer(f.outs[5])), n)[i]
			}
		}
	}
	return info, r
}

// kernelNode builds a CUDA_KERNEL_NODE_PARAMS_v2 in the frame and returns its address.
func (t *Thread) kernelNode(k *driver.KernelNode) uint64 {
	b := t.frame.text[:72]
	le := binary.LittleEndian
	clear(b)
	le.PutUint64(b, uint64(k.Function))
	putShape(b[8:], k.Grid, k.Block, k.SharedBytes)
	le.PutUint64(b[48:], t.packed(k.Params))
	le.PutUint64(b[56:], uint64(k.Kernel))
	return address(b)
}

// GraphAddKernel calls cuGraphAddKernelNode.
func (t *Thread) GraphAddKernel(g driver.Graph, deps []driver.GraphNode, edges []byte, k *driver.KernelNode) (driver.GraphNode, driver.Result) {
	if len(k.Params) > paramsRoom {
		return 0, driver.ErrorInvalidValue
	}
	a := t.frame.args
	if edges != nil {
		// CUgraphNodeParams: the type, which is 0 for a kernel, and at 16 what cuGraphAddKernelNode takes.
		node := t.frame.text[128 : 128+256]
		clear(node)
		t.kernelNode(k)
		copy(node[16:], t.frame.text[:72])
		a[0], a[1], a[2], a[3], a[4], a[5] = t.frame.out(0, 0), uint64(g), address(deps), address(edges), uint64(len(deps)), address(node)
		r := t.invoke(t.d.extra.addNode, 6)
		runtime.KeepAlive(deps)
		runtime.KeepAlive(edges)
		return driver.GraphNode(t.frame.outs[0]), r
	}
	a[0], a[1], a[2], a[3], a[4] = t.frame.out(0, 0), uint64(g), address(deps), uint64(len(deps)), t.kernelNode(k)
	r := t.invoke(t.d.extra.addKernel, 5)
	runtime.KeepAlive(deps)
	return driver.GraphNode(t.frame.outs[0]), r
}

// GraphKernelParams calls cuGraphKernelNodeGetParams and gathers the parameters into one buffer.
func (t *Thread) GraphKernelParams(n driver.GraphNode) (driver.KernelNode, driver.Result) {
	b := t.frame.text[:72]
	clear(b)
	t.frame.args[0], t.frame.args[1] = uint64(n), address(b)
	if r := t.invoke(t.d.extra.getKernel, 2); r != driver.Success {
		return driver.KernelNode{}, r
	}
	le := binary.LittleEndian
	k := driver.KernelNode{Function: driver.Function(le.Uint64(b)), Kernel: driver.Kernel(le.Uint64(b[56:]))}
	k.Grid, k.Block, k.SharedBytes = getShape(b[8:])
	values, extra := le.Uint64(b[40:]), le.Uint64(b[48:])
	var infos []driver.ParamInfo
	var r driver.Result
	if k.Function != 0 {
		infos, r = t.FunctionParams(k.Function)
	} else {
		infos, r = t.KernelParams(k.Kernel)
	}
	if r != driver.Success {
		return k, r
	}
	for i, p := range infos {
		if end := int(p.Offset + p.Size); end > len(k.Params) {
			k.Params = append(k.Params, make([]byte, end-len(k.Params))...)
		}
		if values != 0 {
			from := unsafe.Slice((*uint64)(pointer(values)), len(infos))[i]
			copy(k.Params[p.Offset:], unsafe.Slice((*byte)(pointer(from)), p.Size))
		}
	}
	if values == 0 && extra != 0 {
		list := unsafe.Slice((*uint64)(pointer(extra)), 5)
		for i := 0; i+1 < len(list) && list[i] != 0; i += 2 {
			if list[i] == 1 {
				copy(k.Params, unsafe.Slice((*byte)(pointer(list[i+1])), len(k.Params)))
			}
		}
	}
	return k, driver.Success
}

// GraphSetKernelParams calls cuGraphKernelNodeSetParams.
func (t *Thread) GraphSetKernelParams(n driver.GraphNode, k *driver.KernelNode) driver.Result {
	if len(k.Params) > paramsRoom {
		return driver.ErrorInvalidValue
	}
	t.frame.args[0], t.frame.args[1] = uint64(n), t.kernelNode(k)
	return t.invoke(t.d.extra.setKernel, 2)
}

// GraphExecSetKernelParams calls cuGraphExecKernelNodeSetParams.
func (t *Thread) GraphExecSetKernelParams(e driver.GraphExec, n driver.GraphNode, k *driver.KernelNode) driver.Result {
	if len(k.Params) > paramsRoom {
		return driver.ErrorInvalidValue
	}
	t.frame.args[0], t.frame.args[1], t.frame.args[2] = uint64(e), uint64(n), t.kernelNode(k)
	return t.invoke(t.d.extra.execSetKernel, 3)
}

// GraphAddConditional calls cuGraphAddNode with a CUgraphNodeParams: the type, and at 16 handle, type, size,
// the driver's list of bodies, and context.
func (t *Thread) GraphAddConditional(g driver.Graph, deps []driver.GraphNode, c driver.Conditional) (driver.GraphNode, []driver.Graph, driver.Result) {
	const conditional = 13
	node, le := t.frame.text[:256], binary.LittleEndian
	clear(node)
	le.PutUint32(node, conditional)
	le.PutUint64(node[16:], c.Handle)
	le.PutUint32(node[24:], c.Kind)
	le.PutUint32(node[28:], c.Size)
	le.PutUint64(node[40:], uint64(c.Context))
	a := t.frame.args
	a[0], a[1], a[2], a[3], a[4], a[5] = t.frame.out(0, 0), uint64(g), address(deps), 0, uint64(len(deps)), address(node)
	r := t.invoke(t.d.extra.addNode, 6)
	runtime.KeepAlive(deps)
	list := le.Uint64(node[32:])
	if r != driver.Success || list == 0 {
		return driver.GraphNode(t.frame.outs[0]), nil, r
	}
	bodies := append([]driver.Graph(nil), unsafe.Slice((*driver.Graph)(pointer(list)), c.Size)...)
	return driver.GraphNode(t.frame.outs[0]), bodies, r
}

// GraphMoveChild calls cuGraphAddNode with a CUgraphNodeParams: the type, and at 16 the graph and who is to own it.
func (t *Thread) GraphMoveChild(g driver.Graph, deps []driver.GraphNode, child driver.Graph) (driver.GraphNode, driver.Result) {
	const childGraph, move = 4, 1
	node, le := t.frame.text[:256], binary.LittleEndian
	clear(node)
	le.PutUint32(node, childGraph)
	le.PutUint64(node[16:], uint64(child))
	le.PutUint32(node[24:], move)
	a := t.frame.args
	a[0], a[1], a[2], a[3], a[4], a[5] = t.frame.out(0, 0), uint64(g), address(deps), 0, uint64(len(deps)), address(node)
	r := t.invoke(t.d.extra.addNode, 6)
	runtime.KeepAlive(deps)
	return driver.GraphNode(t.frame.outs[0]), r
}
