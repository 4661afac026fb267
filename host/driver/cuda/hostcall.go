// SPDX-License-Identifier: Apache-2.0

package cuda

/*
#include <stdint.h>
extern void orionHostCall(void *);
static void *orion_host_call_address(void) { return (void *)orionHostCall; }
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
)

// hostCall is what the driver hands back to orionHostCall.
type hostCall struct {
	call driver.HostCall
	once bool // run once; a graph's node runs at each launch
}

//export orionHostCall
func orionHostCall(data unsafe.Pointer) {
	h := cgo.Handle(uintptr(data))
	c := h.Value().(hostCall)
	if c.once {
		h.Delete()
	}
	c.call.Run()
}

// LaunchHost calls cuLaunchHostFunc. The call may run more than once where the stream is being captured.
func (t *Thread) LaunchHost(stream driver.Stream, call driver.HostCall) driver.Result {
	status, r := t.StreamIsCapturing(stream)
	if r != driver.Success {
		return r
	}
	h := cgo.NewHandle(hostCall{call, status == 0})
	a := t.frame.args
	a[0], a[1], a[2] = uint64(stream), uint64(uintptr(C.orion_host_call_address())), uint64(h)
	if r = t.invoke(t.d.extra.launchHostFunc, 3); r != driver.Success {
		h.Delete()
	}
	return r
}

// UserObjectCreate calls cuUserObjectCreate.
func (t *Thread) UserObjectCreate(end driver.HostCall, references uint32) (driver.UserObject, driver.Result) {
	const noDestructorSync = 1
	h := cgo.NewHandle(hostCall{end, true})
	a := t.frame.args
	a[0], a[1], a[2] = t.frame.out(0, 0), uint64(h), uint64(uintptr(C.orion_host_call_address()))
	a[3], a[4] = uint64(references), noDestructorSync
	r := t.invoke(t.d.extra.userObject, 5)
	if r != driver.Success {
		h.Delete()
	}
	return driver.UserObject(t.frame.outs[0]), r
}

// GraphAddHost calls cuGraphAddHostNode. The call belongs to the graph and to all that is made of it, so it
// lives as long as the process.
func (t *Thread) GraphAddHost(g driver.Graph, deps []driver.GraphNode, call driver.HostCall) (driver.GraphNode, driver.Result) {
	a := t.frame.args
	a[0], a[1], a[2], a[3] = t.frame.out(0, 0), uint64(g), address(deps), uint64(len(deps))
	r := t.hostNode(t.d.extra.addHost, 4, call)
	runtime.KeepAlive(deps)
	return driver.GraphNode(t.frame.outs[0]), r
}

// hostNode calls fn with n arguments, which are set, and a CUDA_HOST_NODE_PARAMS.
func (t *Thread) hostNode(fn unsafe.Pointer, n int, call driver.HostCall) driver.Result {
	h := cgo.NewHandle(hostCall{call, false})
	params := []uint64{uint64(uintptr(C.orion_host_call_address())), uint64(h)}
	t.frame.args[n] = address(params)
	r := t.invoke(fn, n+1)
	runtime.KeepAlive(params)
	if r != driver.Success {
		h.Delete()
	}
	return r
}

// GraphHostCall calls cuGraphHostNodeGetParams.
func (t *Thread) GraphHostCall(n driver.GraphNode) (driver.HostCall, driver.Result) {
	params := make([]uint64, 2)
	t.frame.args[0], t.frame.args[1] = uint64(n), address(params)
	r := t.invoke(t.d.extra.getHost, 2)
	runtime.KeepAlive(params)
	if r != driver.Success {
		return nil, r
	}
	if params[0] != uint64(uintptr(C.orion_host_call_address())) {
		return nil, driver.ErrorNotSupported
	}
	return cgo.Handle(uintptr(params[1])).Value().(hostCall).call, driver.Success
}

// GraphSetHost calls cuGraphHostNodeSetParams. What the node called before may still be run by instances.
func (t *Thread) GraphSetHost(n driver.GraphNode, call driver.HostCall) driver.Result {
	t.frame.args[0] = uint64(n)
	return t.hostNode(t.d.extra.setHost, 1, call)
}

// GraphExecSetHost calls cuGraphExecHostNodeSetParams.
func (t *Thread) GraphExecSetHost(e driver.GraphExec, n driver.GraphNode, call driver.HostCall) driver.Result {
	t.frame.args[0], t.frame.args[1] = uint64(e), uint64(n)
	return t.hostNode(t.d.extra.execSetHost, 2, call)
}
