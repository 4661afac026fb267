// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"sync/atomic"

	"github.com/orion-vgpu/orion/host/driver"
)

// condition is the value of a conditional handle, which kernels set.
type condition struct {
	id      uint64
	g       *graph
	value   atomic.Uint32
	initial uint32 // at each launch
	assign  bool   // initial
	used    bool   // by a node. Driver.graphs guards it
}

// Numbers of CUgraphConditionalNodeType.
const (
	conditionIf = iota
	conditionWhile
	conditionSwitch
)

// conditionOp runs one of its bodies, or one again and again, as its condition says.
type conditionOp struct {
	c      *condition
	which  uint32
	bodies []childOp
}

func (*conditionOp) kind() uint32 { return nodeConditional }

func (o *conditionOp) run(c *context) driver.Result {
	switch v := o.c.value.Load(); {
	case o.which == conditionWhile:
		for o.c.value.Load() != 0 {
			if r := o.bodies[0].run(c); r != driver.Success {
				return r
			}
			if r := c.result(); r != driver.Success {
				return r
			}
		}
	case o.which == conditionSwitch:
		if v < uint32(len(o.bodies)) {
			return o.bodies[v].run(c)
		}
	case v != 0:
		return o.bodies[0].run(c)
	case len(o.bodies) == 2:
		return o.bodies[1].run(c)
	}
	return driver.Success
}

// prepare gives the conditions of operations their values at a launch.
func prepare(op operation) {
	switch o := op.(type) {
	case *conditionOp:
		if o.c.assign {
			o.c.value.Store(o.c.initial)
		}
		for _, b := range o.bodies {
			prepare(b)
		}
	case childOp:
		for _, n := range o.g.nodes {
			prepare(n.op)
		}
	}
}

func (t *thread) GraphConditionalHandleCreate(h driver.Graph, _ driver.Context, initial, flags uint32) (uint64, driver.Result) {
	g, r := find[*graph](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	if flags > 1 {
		return 0, driver.ErrorInvalidValue
	}
	c := &condition{g: g, initial: initial, assign: flags == 1}
	c.id = t.d.handles.add(c)
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	g.conditions = append(g.conditions, c)
	return c.id, driver.Success
}

func (t *thread) GraphAddConditional(h driver.Graph, deps []driver.GraphNode, cond driver.Conditional) (driver.GraphNode, []driver.Graph, driver.Result) {
	c, r := find[*condition](t.d, cond.Handle)
	if r != driver.Success || driver.Graph(c.g.id) != h || cond.Kind > conditionSwitch || cond.Size == 0 || cond.Size > 1<<10 ||
		cond.Kind == conditionWhile && cond.Size > 1 || cond.Kind == conditionIf && cond.Size > 2 {
		return 0, nil, driver.ErrorInvalidValue
	}
	t.d.graphs.Lock()
	taken := c.used
	c.used = true
	t.d.graphs.Unlock()
	if taken {
		return 0, nil, driver.ErrorInvalidValue
	}
	o := &conditionOp{c: c, which: cond.Kind}
	var bodies []driver.Graph
	for range cond.Size {
		g := t.d.newGraph()
		o.bodies = append(o.bodies, childOp{g})
		bodies = append(bodies, driver.Graph(g.id))
	}
	n, r := t.addNode(h, deps, o)
	return n, bodies, r
}

// setCondition is cudaGraphSetConditional in a kernel.
func (c *context) setCondition(handle uint64, value uint32) bool {
	o, r := find[*condition](c.d, handle)
	if r == driver.Success {
		o.value.Store(value)
	}
	return r == driver.Success
}

// copied is an operation for a copy of its graph: what has graphs within gets copies of them. The caller holds
// Driver.graphs.
func (d *Driver) copied(op operation) operation {
	switch o := op.(type) {
	case childOp:
		return childOp{d.clone(o.g)}
	case *conditionOp:
		c := &conditionOp{c: o.c, which: o.which}
		for _, b := range o.bodies {
			c.bodies = append(c.bodies, childOp{d.clone(b.g)})
		}
		return c
	}
	return op
}

// within are the graphs that an operation consists of.
func within(op operation) (list []*graph) {
	switch o := op.(type) {
	case childOp:
		list = append(list, o.g)
	case *conditionOp:
		for _, b := range o.bodies {
			list = append(list, b.g)
		}
	}
	return list
}
