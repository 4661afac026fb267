// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
)

// takingDriver takes what is given, and counts it.
type takingDriver struct {
	driver.API
	taken int
	props []byte
}

func (d *takingDriver) take() driver.Result { d.taken++; return driver.Success }
func (d *takingDriver) GraphKernelNodeSetAttribute(driver.GraphNode, uint32, []byte) driver.Result {
	return d.take()
}
func (d *takingDriver) GraphKernelNodeGetAttribute(driver.GraphNode, uint32, []byte) driver.Result {
	return d.take()
}
func (d *takingDriver) StreamSetAttribute(driver.Stream, uint32, []byte) driver.Result {
	return d.take()
}
func (d *takingDriver) GraphConditionalHandleCreate(driver.Graph, driver.Context, uint32, uint32) (uint64, driver.Result) {
	return 0x7f0000001000, driver.Success
}
func (d *takingDriver) GraphAddConditional(driver.Graph, []driver.GraphNode, driver.Conditional) (driver.GraphNode, []driver.Graph, driver.Result) {
	return 1, nil, d.take()
}
func (d *takingDriver) MemPoolCreate(props []byte) (driver.MemPool, driver.Result) {
	d.props = props
	return 1, d.take()
}
func (d *takingDriver) MemGetDefaultMemPool([]byte, uint32) (driver.MemPool, driver.Result) {
	return 1, d.take()
}
func (d *takingDriver) MemGetMemPool([]byte, uint32) (driver.MemPool, driver.Result) {
	return 1, d.take()
}

// Handles and addresses that a client makes up do not get to the driver.
func TestGuarded(t *testing.T) {
	t.Parallel()
	d := &takingDriver{}
	g := newGuarded(d, newHandleTable())
	value := words(0x4141414141414141, 0, 0, 0, 0, 0, 0, 0)
	attributes := []func(uint32) driver.Result{
		func(id uint32) driver.Result { return g.GraphKernelNodeSetAttribute(1, id, value) },
		func(id uint32) driver.Result { return g.GraphKernelNodeGetAttribute(1, id, value) },
		func(id uint32) driver.Result { return g.StreamSetAttribute(1, id, value) },
	}
	for i, f := range attributes {
		for _, id := range []uint32{programmaticEvent, completionEvent, deviceUpdatable, lastAttribute + 1, ^uint32(0)} {
			if f(id) == driver.Success || d.taken > 0 {
				t.Errorf("function %d takes attribute %d", i, id)
			}
		}
		for _, id := range []uint32{driver.LaunchAttributeCooperative, 8, lastAttribute} {
			if d.taken = 0; f(id) != driver.Success || d.taken != 1 {
				t.Errorf("function %d does not take attribute %d", i, id)
			}
			d.taken = 0
		}
	}
	add := func(handle uint64) driver.Result {
		_, _, r := g.GraphAddConditional(1, nil, driver.Conditional{Handle: handle})
		return r
	}
	h, _ := g.GraphConditionalHandleCreate(1, 0, 0, 0)
	if add(h+8) == driver.Success || d.taken > 0 {
		t.Error("a handle is made up")
	}
	if r := add(h); r != driver.Success {
		t.Errorf("the driver's own handle: %v", r)
	}
	if add(h) == driver.Success {
		t.Error("a handle serves two nodes")
	}
	props := words(1, 1, 0x4141414141414141, 0, 0, 0, 0, 0, 0, 0, 0)
	if _, r := g.MemPoolCreate(props); r != driver.Success || le.Uint64(d.props[16:]) != 0 {
		t.Errorf("a pool with an address: %v, %x", r, d.props)
	}
	le.PutUint32(props[8:], 2)
	if _, r := g.MemPoolCreate(props); r != driver.ErrorNotSupported {
		t.Errorf("a pool of the host: %v", r)
	}
	for name, f := range map[string]func([]byte, uint32) (driver.MemPool, driver.Result){
		"default": g.MemGetDefaultMemPool, "current": g.MemGetMemPool,
	} {
		const pinned = 1
		if _, r := f(words(1), pinned); r != driver.Success {
			t.Errorf("the %s pool of a device: %v", name, r)
		}
		d.taken = 0
		if _, r := f(words(2), pinned); r != driver.ErrorNotSupported || d.taken > 0 {
			t.Errorf("the %s pool of the host: %v", name, r)
		}
	}
	s, _ := fakeServer(anyRegion(t))
	defer close(s.waiters.jobs)
	for id, want := range map[uint64]driver.Result{2: 0, programmaticEvent: driver.ErrorInvalidHandle, deviceUpdatable: driver.ErrorNotSupported, lastAttribute + 1: driver.ErrorNotSupported} {
		if r := s.translateAttributes(append(words(id), value...)); r != want {
			t.Errorf("launch attribute %d: %v", id, r)
		}
	}
}
