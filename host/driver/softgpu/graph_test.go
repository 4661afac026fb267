// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
)

// addFill adds a node that fills one 32-bit word.
func (r *rig) addFill(g driver.Graph, after []driver.GraphNode, p driver.DevicePtr, value uint32) driver.GraphNode {
	r.Helper()
	le := binary.LittleEndian
	b := make([]byte, 40)
	le.PutUint64(b, uint64(p))
	le.PutUint32(b[16:], value)
	le.PutUint32(b[20:], 4)
	le.PutUint64(b[24:], 1)
	le.PutUint64(b[32:], 1)
	n, res := r.GraphAddMemsetNode(g, after, uint64(len(after)), b, 0)
	r.ok(res)
	return n
}

// TestConditions: bodies of an if with an else, and of a switch, by the value that a launch assigns.
func TestConditions(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	p, res := r.MemAlloc(4)
	r.ok(res)
	for _, c := range []struct {
		name          string
		kind, size    uint32
		initial, want uint32
	}{
		{"if", conditionIf, 1, 1, 100}, {"no if", conditionIf, 1, 0, 7}, {"else", conditionIf, 2, 0, 101},
		{"if before else", conditionIf, 2, 9, 100}, {"switch", conditionSwitch, 3, 2, 102}, {"no case", conditionSwitch, 3, 3, 7},
	} {
		g, res := r.GraphCreate(0)
		r.ok(res)
		h, res := r.GraphConditionalHandleCreate(g, 0, c.initial, 1)
		r.ok(res)
		first := r.addFill(g, nil, p, 7)
		_, bodies, res := r.GraphAddConditional(g, []driver.GraphNode{first}, driver.Conditional{Handle: h, Kind: c.kind, Size: c.size})
		r.ok(res)
		for i, b := range bodies {
			r.addFill(b, nil, p, 100+uint32(i))
		}
		_, _, res = r.GraphAddConditional(g, nil, driver.Conditional{Handle: h, Kind: c.kind, Size: c.size})
		r.want(res, driver.ErrorInvalidValue) // a handle serves one node
		copied, res := r.GraphClone(g)
		r.ok(res)
		for _, graph := range []driver.Graph{g, copied} {
			e, res := r.GraphInstantiateWithFlags(graph, 0)
			r.ok(res)
			r.ok(r.GraphLaunch(e, 0))
			r.ok(r.StreamSynchronize(0))
			if got := binary.LittleEndian.Uint32(hostBytes(driver.HostPtr(p), 4)); got != c.want {
				t.Errorf("%s: the word is %d, want %d", c.name, got, c.want)
			}
			r.ok(r.GraphExecDestroy(e))
		}
		r.ok(r.GraphDestroy(copied))
		r.ok(r.GraphDestroy(g))
	}
}

func TestConditionsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	g, res := r.GraphCreate(0)
	r.ok(res)
	other, res := r.GraphCreate(0)
	r.ok(res)
	h, res := r.GraphConditionalHandleCreate(g, 0, 0, 0)
	r.ok(res)
	for name, c := range map[string]struct {
		g driver.Graph
		c driver.Conditional
	}{
		"another graph's handle": {other, driver.Conditional{Handle: h, Size: 1}},
		"no handle":              {g, driver.Conditional{Handle: h + 1, Size: 1}},
		"no body":                {g, driver.Conditional{Handle: h}},
		"two bodies to repeat":   {g, driver.Conditional{Handle: h, Kind: conditionWhile, Size: 2}},
		"an unknown kind":        {g, driver.Conditional{Handle: h, Kind: 3, Size: 1}},
	} {
		if _, _, res := r.GraphAddConditional(c.g, nil, c.c); res != driver.ErrorInvalidValue {
			t.Errorf("%s: %v", name, res)
		}
	}
}

// TestGraphMemory: what graphs allocate ends with the last that holds it, is not allocated twice, and is kept for graphs
// to come.
func TestGraphMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	free, _, res := r.MemGetInfo()
	r.ok(res)
	le := binary.LittleEndian
	params := make([]byte, 120)
	le.PutUint32(params, 1)
	le.PutUint32(params[8:], 1)
	le.PutUint64(params[104:], 1<<20)
	g, res := r.GraphCreate(0)
	r.ok(res)
	_, res = r.GraphAddMemAllocNode(g, nil, 0, params)
	r.ok(res)
	p := driver.DevicePtr(le.Uint64(params[112:]))
	_, res = r.GraphClone(g)
	r.want(res, driver.ErrorNotSupported)
	e, res := r.GraphInstantiateWithFlags(g, 0)
	r.ok(res)
	_, res = r.GraphInstantiateWithFlags(g, 0)
	r.want(res, driver.ErrorInvalidValue)
	r.want(r.MemFree(p), driver.ErrorInvalidValue) // not launched yet
	r.ok(r.GraphLaunch(e, 0))
	r.want(r.GraphLaunch(e, 0), driver.ErrorInvalidValue)
	r.ok(r.MemFreeAsync(p, 0))
	r.ok(r.GraphLaunch(e, 0))
	r.ok(r.GraphDestroy(g))
	r.ok(r.GraphExecDestroy(e))
	r.ok(r.StreamSynchronize(0))
	if now, _, _ := r.MemGetInfo(); now != free-1<<20 {
		t.Errorf("%d bytes are free while the program holds its allocation", now)
	}
	if kept := r.graphReserved(); kept != 1<<20 {
		t.Errorf("%d bytes are reserved for graphs", kept)
	}
	r.ok(r.MemFree(p))
	if kept := r.graphReserved(); kept != 1<<20 {
		t.Errorf("%d bytes are reserved for graphs after the last has ended", kept)
	}
	// The instance was destroyed while it may have been running, and lets go when it has ended.
	now, end := uint64(0), time.Now().Add(10*time.Second)
	for ; now != free && time.Now().Before(end); now, _, _ = r.MemGetInfo() {
		r.ok(r.DeviceGraphMemTrim(0))
		time.Sleep(time.Millisecond)
	}
	if now != free {
		t.Errorf("%d bytes are free, %d were before", now, free)
	}
}

func (r *rig) graphReserved() uint64 {
	r.Helper()
	b := make([]byte, 8)
	r.ok(r.DeviceGetGraphMemAttribute(0, graphReserved, b))
	return binary.LittleEndian.Uint64(b)
}
