// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"slices"

	"github.com/orion-vgpu/orion/host/driver"
)

// Numbers of CUgraphNodeType.
const (
	nodeKernel   = 0
	nodeMemcpy   = 1
	nodeMemset   = 2
	nodeHost     = 3
	nodeGraph    = 4
	nodeEmpty    = 5
	nodeWait     = 6
	nodeRecord   = 7
	nodeMemAlloc = 10
	nodeMemFree  = 11
	nodeBatchMem = 12

	nodeConditional = 13
)

// graph is operations with an order among them. Driver.graphs guards it and its nodes.
type graph struct {
	id     uint64
	nodes  []*node
	clones map[*node]*node // for a clone: the original's nodes to its own

	conditions []*condition
	holds      holds

	moved bool // it belongs to a node of another
}

// node is an operation of a graph.
type node struct {
	id uint64
	g  *graph
	op operation
	on []*node // what it depends on

	edges map[*node][8]byte // the CUgraphEdgeData of special dependencies
}

// emptyOp does nothing.
type emptyOp struct{}

func (emptyOp) kind() uint32               { return nodeEmpty }
func (emptyOp) run(*context) driver.Result { return driver.Success }

// childOp is a whole graph as a node.
type childOp struct{ g *graph }

func (childOp) kind() uint32 { return nodeGraph }

func (o childOp) run(c *context) driver.Result {
	c.d.graphs.Lock()
	order, ok := o.g.sorted()
	ops := make([]operation, len(order))
	for i, n := range order {
		ops[i] = n.op
	}
	c.d.graphs.Unlock()
	if !ok {
		return driver.ErrorInvalidValue
	}
	for _, op := range ops {
		if r := op.run(c); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

func (d *Driver) newGraph() *graph {
	g := &graph{}
	g.id = d.handles.add(g)
	return g
}

// add makes a node. The caller holds Driver.graphs.
func (d *Driver) add(g *graph, op operation, on []*node) *node {
	hold(op)
	n := &node{g: g, op: op, on: slices.Clone(on)}
	n.id = d.handles.add(n)
	g.nodes = append(g.nodes, n)
	return n
}

// sorted returns the nodes, each after those that it depends on; ok is false if they depend in a circle.
func (g *graph) sorted() (order []*node, ok bool) {
	const visiting, visited = 1, 2
	state := map[*node]int{}
	type visit struct {
		n    *node
		next int
	}
	for _, root := range g.nodes {
		if state[root] != 0 {
			continue
		}
		stack := []visit{{root, 0}}
		state[root] = visiting
		for len(stack) > 0 {
			v := &stack[len(stack)-1]
			if v.next == len(v.n.on) {
				state[v.n] = visited
				order = append(order, v.n)
				stack = stack[:len(stack)-1]
				continue
			}
			n := v.n.on[v.next]
			v.next++
			switch state[n] {
			case visiting:
				return nil, false
			case 0:
				state[n] = visiting
				stack = append(stack, visit{n, 0})
			}
		}
	}
	return order, true
}

// clone copies a graph, nodes and all.
func (d *Driver) clone(g *graph) *graph {
	c := d.newGraph()
	c.clones = map[*node]*node{}
	for _, n := range g.nodes {
		c.clones[n] = d.add(c, d.copied(n.op), nil)
	}
	for _, n := range g.nodes {
		for _, on := range n.on {
			c.clones[n].on = append(c.clones[n].on, c.clones[on])
			if data, ok := n.edges[on]; ok {
				c.clones[n].mark(c.clones[on], data)
			}
		}
	}
	c.holds = g.holds.clone()
	return c
}

// destroy forgets a graph and its nodes.
func (d *Driver) destroyGraph(g *graph) {
	for _, n := range g.nodes {
		d.forgetNode(n)
	}
	for _, c := range g.conditions {
		d.handles.remove(c.id)
	}
	g.holds.release(d)
	d.handles.remove(g.id)
}

func (d *Driver) destroyGraphs(list []*graph) {
	for _, g := range list {
		d.destroyGraph(g)
	}
}

// forgetNode ends a node, with the graphs that it consists of.
func (d *Driver) forgetNode(n *node) {
	d.handles.remove(n.id)
	d.destroyGraphs(within(n.op))
	drop(n.op)
}

// mark gives a dependency its data.
func (n *node) mark(on *node, data [8]byte) {
	if n.edges == nil {
		n.edges = map[*node][8]byte{}
	}
	n.edges[on] = data
}

// edgeData reads the data of n dependencies, nil for ordinary ones. Special ones lead from kernels: they let
// what follows begin early, which nothing has to.
func edgeData(b []byte, from []*node) ([][8]byte, driver.Result) {
	list := make([][8]byte, len(from))
	for i := range list {
		if len(b) < 8 {
			break
		}
		copy(list[i][:], b)
		b = b[8:]
		const ports, kinds = 2, 1
		d := list[i]
		if _, kernel := from[i].op.(*kernelOp); d != [8]byte{} && !kernel || d[0] > ports || d[2] > kinds {
			return nil, driver.ErrorInvalidValue
		}
	}
	return list, driver.Success
}

func (t *thread) GraphCreate(flags uint32) (driver.Graph, driver.Result) {
	if flags != 0 {
		return 0, driver.ErrorInvalidValue
	}
	return driver.Graph(t.d.newGraph().id), driver.Success
}

func (t *thread) GraphDestroy(h driver.Graph) driver.Result {
	g, r := find[*graph](t.d, h)
	if r == driver.Success {
		t.d.graphs.Lock()
		defer t.d.graphs.Unlock()
		if g.moved {
			return driver.ErrorInvalidValue
		}
		t.d.destroyGraph(g)
	}
	return r
}

func (t *thread) GraphClone(h driver.Graph) (driver.Graph, driver.Result) {
	g, r := find[*graph](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	if g.allocates() {
		return 0, driver.ErrorNotSupported
	}
	return driver.Graph(t.d.clone(g).id), driver.Success
}

func (t *thread) GraphNodeFindInClone(h driver.GraphNode, gh driver.Graph) (driver.GraphNode, driver.Result) {
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	g, r := find[*graph](t.d, gh)
	if r != driver.Success {
		return 0, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	if c := g.clones[n]; c != nil {
		return driver.GraphNode(c.id), driver.Success
	}
	return 0, driver.ErrorInvalidValue
}

// addNode makes a node with dependencies given by handles.
func (t *thread) addNode(gh driver.Graph, deps []driver.GraphNode, op operation) (driver.GraphNode, driver.Result) {
	return t.addNodeWith(gh, deps, nil, op)
}

// addNodeWith is addNode with data of its dependencies.
func (t *thread) addNodeWith(gh driver.Graph, deps []driver.GraphNode, edges []byte, op operation) (driver.GraphNode, driver.Result) {
	g, r := find[*graph](t.d, gh)
	if r != driver.Success {
		return 0, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	on, r := t.nodesOf(g, deps)
	if r != driver.Success {
		return 0, r
	}
	data, r := edgeData(edges, on)
	if r != driver.Success {
		return 0, r
	}
	n := t.d.add(g, op, on)
	for i, d := range data {
		if d != [8]byte{} {
			n.mark(on[i], d)
		}
	}
	return driver.GraphNode(n.id), driver.Success
}

// nodesOf finds nodes that belong to a graph.
func (t *thread) nodesOf(g *graph, list []driver.GraphNode) ([]*node, driver.Result) {
	var out []*node
	for _, h := range list {
		n, r := find[*node](t.d, h)
		if r != driver.Success || n.g != g || slices.Contains(out, n) {
			return nil, driver.ErrorInvalidValue
		}
		out = append(out, n)
	}
	return out, driver.Success
}

func (t *thread) GraphNodes(h driver.Graph) ([]driver.GraphNode, driver.Result) {
	return t.listNodes(h, func(*node) bool { return true })
}

func (t *thread) GraphRootNodes(h driver.Graph) ([]driver.GraphNode, driver.Result) {
	return t.listNodes(h, func(n *node) bool { return len(n.on) == 0 })
}

func (t *thread) listNodes(h driver.Graph, want func(*node) bool) ([]driver.GraphNode, driver.Result) {
	g, r := find[*graph](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	list := []driver.GraphNode{}
	for _, n := range g.nodes {
		if want(n) {
			list = append(list, driver.GraphNode(n.id))
		}
	}
	return list, driver.Success
}

func (t *thread) GraphEdges(h driver.Graph) ([]driver.GraphEdge, driver.Result) {
	g, r := find[*graph](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	return g.edges(func(_, _ *node) bool { return true }), driver.Success
}

func (g *graph) edges(want func(from, to *node) bool) (list []driver.GraphEdge) {
	for _, n := range g.nodes {
		for _, on := range n.on {
			if want(on, n) {
				list = append(list, driver.GraphEdge{From: driver.GraphNode(on.id), To: driver.GraphNode(n.id), Data: n.edges[on]})
			}
		}
	}
	return list
}

func (t *thread) NodeDependencies(h driver.GraphNode) ([]driver.GraphEdge, driver.Result) {
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	return n.g.edges(func(_, to *node) bool { return to == n }), driver.Success
}

func (t *thread) NodeDependents(h driver.GraphNode) ([]driver.GraphEdge, driver.Result) {
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	return n.g.edges(func(from, _ *node) bool { return from == n }), driver.Success
}

func (t *thread) GraphAddDependencies(h driver.Graph, from, to []driver.GraphNode, _ uint64) driver.Result {
	return t.GraphAddDependenciesV2(h, from, to, nil, 0)
}

func (t *thread) GraphAddDependenciesV2(h driver.Graph, from, to []driver.GraphNode, edges []byte, _ uint64) driver.Result {
	return t.dependencies(h, from, to, func(a, b *node) bool {
		data, r := edgeData(edges, []*node{a})
		if r != driver.Success || slices.Contains(b.on, a) {
			return false
		}
		if len(edges) >= 8 {
			edges = edges[8:]
		}
		b.on = append(b.on, a)
		if data[0] != [8]byte{} {
			b.mark(a, data[0])
		}
		return true
	})
}

func (t *thread) GraphRemoveDependencies(h driver.Graph, from, to []driver.GraphNode, _ uint64) driver.Result {
	return t.dependencies(h, from, to, func(a, b *node) bool {
		i := slices.Index(b.on, a)
		if i < 0 {
			return false
		}
		b.on = slices.Delete(b.on, i, i+1)
		delete(b.edges, a)
		return true
	})
}

func (t *thread) GraphRemoveDependenciesV2(h driver.Graph, from, to []driver.GraphNode, _ []byte, n uint64) driver.Result {
	return t.GraphRemoveDependencies(h, from, to, n)
}

func (t *thread) dependencies(h driver.Graph, from, to []driver.GraphNode, change func(a, b *node) bool) driver.Result {
	g, r := find[*graph](t.d, h)
	if r != driver.Success {
		return r
	}
	if len(from) != len(to) {
		return driver.ErrorInvalidValue
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	for i := range from {
		a, r1 := find[*node](t.d, from[i])
		b, r2 := find[*node](t.d, to[i])
		if r1 != driver.Success || r2 != driver.Success || a.g != g || b.g != g || a == b || !change(a, b) {
			return driver.ErrorInvalidValue
		}
	}
	return driver.Success
}

func (t *thread) GraphDestroyNode(h driver.GraphNode) driver.Result {
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	for _, o := range n.g.nodes {
		o.on = slices.DeleteFunc(o.on, func(x *node) bool { return x == n })
		delete(o.edges, n)
	}
	n.g.nodes = slices.DeleteFunc(n.g.nodes, func(x *node) bool { return x == n })
	t.d.forgetNode(n)
	return driver.Success
}

func (t *thread) GraphNodeGetType(h driver.GraphNode) (uint32, driver.Result) {
	n, r := find[*node](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	return n.op.kind(), driver.Success
}
