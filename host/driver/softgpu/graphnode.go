// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"slices"

	"github.com/orion-vgpu/orion/host/driver"
)

func (t *thread) GraphAddEmptyNode(g driver.Graph, deps []driver.GraphNode, _ uint64) (driver.GraphNode, driver.Result) {
	return t.addNode(g, deps, emptyOp{})
}

func (t *thread) GraphAddHost(g driver.Graph, deps []driver.GraphNode, call driver.HostCall) (driver.GraphNode, driver.Result) {
	if call == nil {
		return 0, driver.ErrorInvalidValue
	}
	return t.addNode(g, deps, hostOp{call})
}

func (t *thread) GraphHostCall(h driver.GraphNode) (driver.HostCall, driver.Result) {
	o, r := opOf[hostOp](t, h)
	return o.call, r
}

func (t *thread) GraphSetHost(h driver.GraphNode, call driver.HostCall) driver.Result {
	return setOp(t, h, hostOp{call})
}

func (t *thread) GraphExecSetHost(e driver.GraphExec, h driver.GraphNode, call driver.HostCall) driver.Result {
	return setExec(t, e, h, hostOp{call})
}

func (t *thread) GraphAddChildGraphNode(g driver.Graph, deps []driver.GraphNode, _ uint64, child driver.Graph) (driver.GraphNode, driver.Result) {
	c, r := find[*graph](t.d, child)
	if r != driver.Success {
		return 0, r
	}
	t.d.graphs.Lock()
	allocates := c.allocates()
	var copied *graph
	if c.moved {
		t.d.graphs.Unlock()
		return 0, driver.ErrorInvalidValue
	}
	if !allocates {
		copied = t.d.clone(c)
	}
	t.d.graphs.Unlock()
	if allocates {
		return 0, driver.ErrorNotSupported
	}
	return t.addNode(g, deps, childOp{copied})
}

// GraphMoveChild takes the child for its own, which may not allocate here.
func (t *thread) GraphMoveChild(g driver.Graph, deps []driver.GraphNode, child driver.Graph) (driver.GraphNode, driver.Result) {
	c, r := find[*graph](t.d, child)
	if r != driver.Success {
		return 0, r
	}
	t.d.graphs.Lock()
	refused := driver.Success
	switch {
	case c.moved || child == g:
		refused = driver.ErrorInvalidValue
	case c.allocates():
		refused = driver.ErrorNotSupported
	default:
		c.moved = true
	}
	t.d.graphs.Unlock()
	if refused != driver.Success {
		return 0, refused
	}
	n, r := t.addNode(g, deps, childOp{c})
	if r != driver.Success {
		t.d.graphs.Lock()
		c.moved = false
		t.d.graphs.Unlock()
	}
	return n, r
}

func (t *thread) GraphChildGraphNodeGetGraph(h driver.GraphNode) (driver.Graph, driver.Result) {
	o, r := opOf[childOp](t, h)
	if r != driver.Success {
		return 0, r
	}
	return driver.Graph(o.g.id), driver.Success
}

// opOf returns the operation of a node if it is of the wanted kind.
func opOf[T operation](t *thread, h driver.GraphNode) (T, driver.Result) {
	var none T
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return none, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	o, ok := n.op.(T)
	if !ok {
		return none, driver.ErrorInvalidValue
	}
	return o, driver.Success
}

// setOp replaces the operation of a node by one of its kind.
func setOp[T operation](t *thread, h driver.GraphNode, op T) driver.Result {
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	if _, ok := n.op.(T); !ok {
		return driver.ErrorInvalidValue
	}
	n.op = op
	return driver.Success
}

// setExec replaces the operation that an executable graph has for a node.
func setExec[T operation](t *thread, eh driver.GraphExec, h driver.GraphNode, op T) driver.Result {
	e, r := find[*executable](t.d, eh)
	if r != driver.Success {
		return r
	}
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return r
	}
	return e.replace(n, op, func(old operation) bool { _, ok := old.(T); return ok })
}

// kernelNode makes the operation of a kernel node.
func (t *thread) kernelNode(k *driver.KernelNode) (*kernelOp, driver.Result) {
	h := k.Function
	if h == 0 {
		h = driver.Function(k.Kernel)
	}
	f, r := t.function(h)
	if r != driver.Success {
		return nil, r
	}
	return f.operation(k.Grid, k.Block, k.SharedBytes, k.Params)
}

func (t *thread) GraphAddKernel(g driver.Graph, deps []driver.GraphNode, edges []byte, k *driver.KernelNode) (driver.GraphNode, driver.Result) {
	o, r := t.kernelNode(k)
	if r != driver.Success {
		return 0, r
	}
	return t.addNodeWith(g, deps, edges, o)
}

func (t *thread) GraphKernelParams(h driver.GraphNode) (driver.KernelNode, driver.Result) {
	o, r := opOf[*kernelOp](t, h)
	if r != driver.Success {
		return driver.KernelNode{}, r
	}
	return driver.KernelNode{Function: driver.Function(o.f.id), Grid: o.grid, Block: o.block, SharedBytes: o.asked,
		Params: slices.Clone(o.params[:o.p.ParamBytes])}, driver.Success
}

func (t *thread) GraphSetKernelParams(h driver.GraphNode, k *driver.KernelNode) driver.Result {
	o, r := t.kernelNode(k)
	if r != driver.Success {
		return r
	}
	return setOp(t, h, o)
}

func (t *thread) GraphExecSetKernelParams(e driver.GraphExec, h driver.GraphNode, k *driver.KernelNode) driver.Result {
	o, r := t.kernelNode(k)
	if r != driver.Success {
		return r
	}
	return setExec(t, e, h, o)
}

func (t *thread) GraphKernelNodeCopyAttributes(dst, src driver.GraphNode) driver.Result {
	a, r := opOf[*kernelOp](t, src)
	if r != driver.Success {
		return r
	}
	b, r := opOf[*kernelOp](t, dst)
	if r != driver.Success {
		return r
	}
	c := *b
	c.cooperative = a.cooperative
	return setOp(t, dst, &c)
}

func (t *thread) GraphKernelNodeGetAttribute(h driver.GraphNode, attribute uint32, value []byte) driver.Result {
	o, r := opOf[*kernelOp](t, h)
	if r != driver.Success {
		return r
	}
	clear(value)
	if attribute == driver.LaunchAttributeCooperative && o.cooperative {
		value[0] = 1
	}
	return driver.Success
}

func (t *thread) GraphKernelNodeSetAttribute(h driver.GraphNode, attribute uint32, value []byte) driver.Result {
	o, r := opOf[*kernelOp](t, h)
	if r != driver.Success {
		return r
	}
	switch attribute {
	case driver.LaunchAttributeCooperative:
		c := *o
		c.cooperative = binary.LittleEndian.Uint32(value) != 0
		return setOp(t, h, &c)
	case attributeCluster:
		return driver.ErrorNotSupported
	}
	return driver.Success // a hint
}

// copyNode makes the operation of a copy node from a CUDA_MEMCPY3D.
func (t *thread) copyNode(b []byte) (*copyOp, driver.Result) {
	o, r := t.d.parse3D(b)
	if r != driver.Success {
		return nil, r
	}
	return o, o.check(t.d)
}

func (t *thread) GraphAddMemcpyNode(g driver.Graph, deps []driver.GraphNode, _ uint64, params []byte, _ driver.Context) (driver.GraphNode, driver.Result) {
	o, r := t.copyNode(params)
	if r != driver.Success {
		return 0, r
	}
	return t.addNode(g, deps, o)
}

func (t *thread) GraphMemcpyNodeGetParams(h driver.GraphNode, out []byte) driver.Result {
	o, r := opOf[*copyOp](t, h)
	if r != driver.Success {
		return r
	}
	copy(out, o.describe())
	return driver.Success
}

// describe writes the operation as a CUDA_MEMCPY3D.
func (o *copyOp) describe() []byte {
	if o.params != nil {
		return o.params
	}
	b := make([]byte, 200)
	put := func(i int, v uint64) { binary.LittleEndian.PutUint64(b[8*i:], v) }
	one := func(at int, s *side) {
		kind, field := uint64(memoryDevice), at+6
		if s.host {
			kind, field = memoryHost, at+5
		}
		put(at+4, kind)
		put(field, s.addr)
		put(at+9, s.pitch)
		if s.pitch > 0 {
			put(at+10, s.slice/s.pitch)
		}
	}
	one(0, &o.src)
	one(11, &o.dst)
	put(22, o.width)
	put(23, o.height)
	put(24, o.depth)
	return b
}

func (t *thread) GraphMemcpyNodeSetParams(h driver.GraphNode, params []byte) driver.Result {
	o, r := t.copyNode(params)
	if r != driver.Success {
		return r
	}
	return setOp(t, h, o)
}

func (t *thread) GraphExecMemcpyNodeSetParams(e driver.GraphExec, h driver.GraphNode, params []byte, _ driver.Context) driver.Result {
	o, r := t.copyNode(params)
	if r != driver.Success {
		return r
	}
	return setExec(t, e, h, o)
}

// fillNode makes the operation of a fill node from a CUDA_MEMSET_NODE_PARAMS.
func (t *thread) fillNode(b []byte) (*fillOp, driver.Result) {
	le := binary.LittleEndian
	o := &fillOp{le.Uint64(b), le.Uint64(b[8:]), le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint64(b[24:]), le.Uint64(b[32:])}
	return o, o.check(t.d)
}

func (t *thread) GraphAddMemsetNode(g driver.Graph, deps []driver.GraphNode, _ uint64, params []byte, _ driver.Context) (driver.GraphNode, driver.Result) {
	o, r := t.fillNode(params)
	if r != driver.Success {
		return 0, r
	}
	return t.addNode(g, deps, o)
}

func (t *thread) GraphMemsetNodeGetParams(h driver.GraphNode, out []byte) driver.Result {
	o, r := opOf[*fillOp](t, h)
	if r != driver.Success {
		return r
	}
	le := binary.LittleEndian
	le.PutUint64(out, o.dst)
	le.PutUint64(out[8:], o.pitch)
	le.PutUint32(out[16:], o.value)
	le.PutUint32(out[20:], o.element)
	le.PutUint64(out[24:], o.width)
	le.PutUint64(out[32:], o.height)
	return driver.Success
}

func (t *thread) GraphMemsetNodeSetParams(h driver.GraphNode, params []byte) driver.Result {
	o, r := t.fillNode(params)
	if r != driver.Success {
		return r
	}
	return setOp(t, h, o)
}

func (t *thread) GraphExecMemsetNodeSetParams(e driver.GraphExec, h driver.GraphNode, params []byte, _ driver.Context) driver.Result {
	o, r := t.fillNode(params)
	if r != driver.Success {
		return r
	}
	return setExec(t, e, h, o)
}

func (t *thread) GraphAddEventRecordNode(g driver.Graph, deps []driver.GraphNode, _ uint64, h driver.Event) (driver.GraphNode, driver.Result) {
	e, r := find[*event](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	return t.addNode(g, deps, recordOp{e})
}

func (t *thread) GraphAddEventWaitNode(g driver.Graph, deps []driver.GraphNode, _ uint64, h driver.Event) (driver.GraphNode, driver.Result) {
	e, r := find[*event](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	return t.addNode(g, deps, waitOp{e})
}

func (t *thread) GraphEventRecordNodeGetEvent(h driver.GraphNode) (driver.Event, driver.Result) {
	o, r := opOf[recordOp](t, h)
	if r != driver.Success {
		return 0, r
	}
	return driver.Event(o.e.id), driver.Success
}

func (t *thread) GraphEventWaitNodeGetEvent(h driver.GraphNode) (driver.Event, driver.Result) {
	o, r := opOf[waitOp](t, h)
	if r != driver.Success {
		return 0, r
	}
	return driver.Event(o.e.id), driver.Success
}

func (t *thread) GraphEventRecordNodeSetEvent(h driver.GraphNode, ev driver.Event) driver.Result {
	e, r := find[*event](t.d, ev)
	if r != driver.Success {
		return r
	}
	return setOp(t, h, recordOp{e})
}

func (t *thread) GraphEventWaitNodeSetEvent(h driver.GraphNode, ev driver.Event) driver.Result {
	e, r := find[*event](t.d, ev)
	if r != driver.Success {
		return r
	}
	return setOp(t, h, waitOp{e})
}

func (t *thread) GraphExecEventRecordNodeSetEvent(x driver.GraphExec, h driver.GraphNode, ev driver.Event) driver.Result {
	e, r := find[*event](t.d, ev)
	if r != driver.Success {
		return r
	}
	return setExec(t, x, h, recordOp{e})
}

func (t *thread) GraphExecEventWaitNodeSetEvent(x driver.GraphExec, h driver.GraphNode, ev driver.Event) driver.Result {
	e, r := find[*event](t.d, ev)
	if r != driver.Success {
		return r
	}
	return setExec(t, x, h, waitOp{e})
}

func (t *thread) GraphExecChildGraphNodeSetParams(x driver.GraphExec, h driver.GraphNode, child driver.Graph) driver.Result {
	g, r := find[*graph](t.d, child)
	if r != driver.Success {
		return r
	}
	e, r := find[*executable](t.d, x)
	if r != driver.Success {
		return r
	}
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	copied := t.d.clone(g)
	var old operation
	var last fence
	r = e.replace(n, childOp{copied}, func(o operation) bool { old, last = o, e.last; return o.kind() == nodeGraph })
	if r != driver.Success {
		t.d.destroyGraph(copied)
		return r
	}
	t.d.after(last, func() { t.d.destroyGraphs(within(old)) })
	return driver.Success
}
