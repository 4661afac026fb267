// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
)

// executable is a graph as it was when it was instantiated. Its steps run one after another in an order that
// its dependencies allow.
type executable struct {
	id    uint64
	flags uint64
	mu    sync.Mutex
	steps []step
	holds holds
	last  fence // of the last launch: launches do not overlap
}

// step is a node of an executable graph. from is the node of the graph that it stands for.
type step struct {
	from *node
	op   operation
	off  bool
	on   []int // steps before it
}

// autoFree is CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH.
const autoFree = 1

// launchOp runs the steps as they were at the launch.
type launchOp struct {
	steps []step
	holds holds // the executable's
}

func (launchOp) kind() uint32 { return nodeGraph }

func (o launchOp) run(c *context) driver.Result {
	for i := range o.steps {
		prepare(o.steps[i].op)
	}
	for i := range o.steps {
		if o.steps[i].off {
			continue
		}
		if r := o.steps[i].op.run(c); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

// steps of a graph, and ok if it has an order.
func (g *graph) steps() (list []step, ok bool) {
	order, ok := g.sorted()
	index := map[*node]int{}
	for i, n := range order {
		index[n] = i
		s := step{from: n, op: n.op}
		for _, on := range n.on {
			s.on = append(s.on, index[on])
		}
		list = append(list, s)
	}
	return list, ok
}

// What CUDA_GRAPH_INSTANTIATE_PARAMS says of an instantiation.
const (
	instantiateError = 1 + iota
	invalidStructure
	operationNotSupported
)

func (t *thread) GraphInstantiateWithFlags(h driver.Graph, flags uint64) (driver.GraphExec, driver.Result) {
	e, _, _, r := t.instantiate(h, flags)
	return e, r
}

// GraphInstantiateWithParams takes CUDA_GRAPH_INSTANTIATE_PARAMS: flags, upload stream, and two results.
func (t *thread) GraphInstantiateWithParams(h driver.Graph, params []byte) (driver.GraphExec, driver.Result) {
	if len(params) < 32 {
		return 0, driver.ErrorInvalidValue
	}
	e, why, n, r := t.instantiate(h, binary.LittleEndian.Uint64(params))
	binary.LittleEndian.PutUint64(params[16:], uint64(n))
	binary.LittleEndian.PutUint32(params[24:], why)
	return e, r
}

// instantiate also says why it refuses a graph, and for which node.
func (t *thread) instantiate(h driver.Graph, flags uint64) (e driver.GraphExec, why uint32, n driver.GraphNode, r driver.Result) {
	g, r := find[*graph](t.d, h)
	if r != driver.Success {
		return 0, instantiateError, 0, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	steps, ok := g.steps()
	if !ok {
		return 0, invalidStructure, 0, driver.ErrorInvalidValue
	}
	const device = 4 // for launches from kernels, of which none that calls for one can be loaded here
	if i := slices.IndexFunc(steps, func(s step) bool { return !onDevice(s.op) }); flags&device != 0 && i >= 0 {
		return 0, operationNotSupported, driver.GraphNode(steps[i].from.id), driver.ErrorInvalidValue
	}
	if g.moved || g.instances() {
		return 0, instantiateError, 0, driver.ErrorInvalidValue
	}
	for i, s := range steps {
		steps[i].op = t.d.copied(s.op)
		hold(s.op)
	}
	x := &executable{flags: flags, steps: steps, holds: g.holds.clone()}
	x.id = t.d.handles.add(x)
	return driver.GraphExec(x.id), 0, 0, driver.Success
}

// onDevice says whether an instance that kernels may launch can have an operation.
func onDevice(op operation) bool {
	switch o := op.(type) {
	case childOp:
		return !slices.ContainsFunc(o.g.nodes, func(n *node) bool { return !onDevice(n.op) })
	default:
		k := op.kind()
		return k == nodeKernel || k == nodeMemcpy || k == nodeMemset || k == nodeEmpty
	}
}

func (t *thread) GraphExecDestroy(h driver.GraphExec) driver.Result {
	e, r := find[*executable](t.d, h)
	if r != driver.Success {
		return r
	}
	t.d.handles.remove(e.id)
	e.mu.Lock()
	last, steps, holds := e.last, slices.Clone(e.steps), e.holds
	e.mu.Unlock()
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	t.d.after(last, func() {
		t.d.forgetSteps(steps)
		holds.release(t.d)
	})
	return driver.Success
}

// after calls f when a launch is over: what is running keeps what it uses. The caller holds Driver.graphs, as f does.
func (d *Driver) after(launch fence, f func()) {
	if launch.passed() {
		f()
		return
	}
	d.wg.Go(func() {
		launch.wait()
		d.graphs.Lock()
		defer d.graphs.Unlock()
		f()
	})
}

// forgetSteps ends what the steps of an instance had for themselves. The caller holds Driver.graphs.
func (d *Driver) forgetSteps(steps []step) {
	for _, s := range steps {
		d.destroyGraphs(within(s.op))
		drop(s.op)
	}
}

func (t *thread) GraphExecGetFlags(h driver.GraphExec) (uint64, driver.Result) {
	e, r := find[*executable](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	return e.flags, driver.Success
}

func (t *thread) GraphLaunch(h driver.GraphExec, s driver.Stream) driver.Result {
	e, r := find[*executable](t.d, h)
	if r != driver.Success {
		return r
	}
	st, r := t.stream(s)
	if r != driver.Success {
		return r
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	op := launchOp{slices.Clone(e.steps), e.holds}
	if captured, r := t.d.captured(st, op); captured {
		return r
	}
	if r := allocate(op.steps, e.flags&autoFree != 0); r != driver.Success {
		return r
	}
	e.last = st.submit(op, e.last)
	return driver.Success
}

func (t *thread) GraphUpload(h driver.GraphExec, s driver.Stream) driver.Result {
	if _, r := find[*executable](t.d, h); r != driver.Success {
		return r
	}
	_, r := t.stream(s)
	return r
}

// find returns the step that stands for a node.
func (e *executable) find(n *node) *step {
	for i := range e.steps {
		if e.steps[i].from == n {
			return &e.steps[i]
		}
	}
	return nil
}

func (e *executable) replace(n *node, op operation, fits func(old operation) bool) driver.Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.find(n)
	if s == nil || !fits(s.op) {
		return driver.ErrorInvalidValue
	}
	if k, ok := op.(*kernelOp); ok {
		if old := s.op.(*kernelOp); old.cooperative {
			copied := *k
			copied.cooperative = true
			op = &copied
		}
	}
	s.op = op
	return driver.Success
}

func (t *thread) GraphNodeSetEnabled(h driver.GraphExec, nh driver.GraphNode, enabled uint32) driver.Result {
	return t.step(h, nh, func(s *step) driver.Result {
		if k := s.op.kind(); k != nodeKernel && k != nodeMemcpy && k != nodeMemset {
			return driver.ErrorInvalidValue
		}
		s.off = enabled == 0
		return driver.Success
	})
}

func (t *thread) GraphNodeGetEnabled(h driver.GraphExec, nh driver.GraphNode) (enabled uint32, r driver.Result) {
	r = t.step(h, nh, func(s *step) driver.Result {
		if !s.off {
			enabled = 1
		}
		return driver.Success
	})
	return enabled, r
}

func (t *thread) step(h driver.GraphExec, nh driver.GraphNode, f func(*step) driver.Result) driver.Result {
	e, r := find[*executable](t.d, h)
	if r != driver.Success {
		return r
	}
	n, r := find[*node](t.d, nh)
	if r != driver.Success {
		return r
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.find(n)
	if s == nil {
		return driver.ErrorInvalidValue
	}
	return f(s)
}

// GraphExecUpdateV2 writes a CUgraphExecUpdateResultInfo.
func (t *thread) GraphExecUpdateV2(h driver.GraphExec, gh driver.Graph, info []byte) driver.Result {
	node, why, r := t.GraphExecUpdate(h, gh)
	le := binary.LittleEndian
	clear(info)
	le.PutUint32(info, why)
	le.PutUint64(info[8:], uint64(node))
	return r
}

// GraphExecUpdate takes over the operations of a graph of the same shape. The result is a
// CUgraphExecUpdateResult.
func (t *thread) GraphExecUpdate(h driver.GraphExec, gh driver.Graph) (driver.GraphNode, uint32, driver.Result) {
	const updated, topologyChanged, typeChanged, notSupported = 0, 2, 3, 6
	e, r := find[*executable](t.d, h)
	if r != driver.Success {
		return 0, 1, r
	}
	g, r := find[*graph](t.d, gh)
	if r != driver.Success {
		return 0, 1, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	steps, ok := g.steps()
	if g.moved {
		return 0, 1, driver.ErrorInvalidValue
	}
	if g.allocates() {
		return 0, notSupported, driver.ErrorGraphExecUpdateFailure
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !ok || len(steps) != len(e.steps) {
		return 0, topologyChanged, driver.ErrorGraphExecUpdateFailure
	}
	for i := range steps {
		if steps[i].op.kind() != e.steps[i].op.kind() {
			return driver.GraphNode(steps[i].from.id), typeChanged, driver.ErrorGraphExecUpdateFailure
		}
		if !slices.Equal(steps[i].on, e.steps[i].on) {
			return driver.GraphNode(steps[i].from.id), topologyChanged, driver.ErrorGraphExecUpdateFailure
		}
	}
	var ended []*graph
	for i := range steps {
		ended = append(ended, within(e.steps[i].op)...)
		e.steps[i].op = t.d.copied(steps[i].op)
	}
	held := e.holds
	e.holds = g.holds.clone()
	t.d.after(e.last, func() {
		t.d.destroyGraphs(ended)
		held.release(t.d)
	})
	return 0, updated, driver.Success
}
