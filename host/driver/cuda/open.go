// SPDX-License-Identifier: Apache-2.0

package cuda

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
)

// Driver is the opened libcuda.so.1.
type Driver struct {
	library unsafe.Pointer
	fns     [len(symbols)]unsafe.Pointer
	extra   extraSymbols
	links   sync.Map // driver.LinkState to *jitArrays
	monitor monitor
}

var _ driver.Driver = (*Driver)(nil)

// extraSymbols are functions that Composite needs and the generated interface does not have.
type extraSymbols struct {
	launchKernel, launchKernelEx, launchHostFunc, writeValue32                         unsafe.Pointer
	moduleLoadDataEx, libraryLoadData                                                  unsafe.Pointer
	moduleFunctionCount, moduleEnumerate, funcGetName                                  unsafe.Pointer
	libraryKernelCount, libraryEnumerate, kernelGetName                                unsafe.Pointer
	linkCreate, linkAddData, linkComplete, linkDestroy                                 unsafe.Pointer
	graphGetNodes, graphGetRootNodes, graphGetEdges, nodeDeps, nodeDepends             unsafe.Pointer
	captureInfo2, captureInfo3                                                         unsafe.Pointer
	addNode, addKernel, getKernel, setKernel, execSetKernel, addHost                   unsafe.Pointer
	userObject, getHost, setHost, execSetHost                                          unsafe.Pointer
	maxActiveClusters, maxClusterSize                                                  unsafe.Pointer
	ipcGetMem, ipcOpenMem, ipcCloseMem, ipcGetEvent, ipcOpenEvent                      unsafe.Pointer
	memExport, memImport, poolExport, poolImport, poolExportPointer, poolImportPointer unsafe.Pointer
}

// Open loads path ("" for libcuda.so.1 as the dynamic linker finds it) and initialises the driver.
// CUDA_VISIBLE_DEVICES, set before, chooses the devices and their order.
func Open(path string) (*Driver, error) {
	if path == "" {
		path = "libcuda.so.1"
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	lib := C.dlopen(name, C.RTLD_NOW|C.RTLD_LOCAL)
	if lib == nil {
		return nil, fmt.Errorf("load the NVIDIA driver library: %s", C.GoString(C.dlerror()))
	}
	d := &Driver{library: lib}
	if d.symbol("orion_session") != nil {
		C.dlclose(lib)
		return nil, errors.New("load the NVIDIA driver library: the dynamic linker finds Orion's client library in its place: " +
			"take /usr/lib/orion out of /etc/ld.so.conf.d on this node, and run ldconfig")
	}
	for i, s := range symbols {
		d.fns[i] = d.symbol(s)
	}
	x := &d.extra
	for p, s := range map[*unsafe.Pointer]string{
		&x.launchKernel: "cuLaunchKernel", &x.launchKernelEx: "cuLaunchKernelEx", &x.launchHostFunc: "cuLaunchHostFunc",
		&x.writeValue32: "cuStreamWriteValue32_v2", &x.moduleLoadDataEx: "cuModuleLoadDataEx", &x.libraryLoadData: "cuLibraryLoadData",
		&x.moduleFunctionCount: "cuModuleGetFunctionCount", &x.moduleEnumerate: "cuModuleEnumerateFunctions", &x.funcGetName: "cuFuncGetName",
		&x.libraryKernelCount: "cuLibraryGetKernelCount", &x.libraryEnumerate: "cuLibraryEnumerateKernels", &x.kernelGetName: "cuKernelGetName",
		&x.linkCreate: "cuLinkCreate_v2", &x.linkAddData: "cuLinkAddData_v2", &x.linkComplete: "cuLinkComplete", &x.linkDestroy: "cuLinkDestroy",
		&x.graphGetNodes: "cuGraphGetNodes", &x.graphGetRootNodes: "cuGraphGetRootNodes", &x.graphGetEdges: "cuGraphGetEdges_v2",
		&x.nodeDeps: "cuGraphNodeGetDependencies_v2", &x.nodeDepends: "cuGraphNodeGetDependentNodes_v2",
		&x.captureInfo2: "cuStreamGetCaptureInfo_v2", &x.captureInfo3: "cuStreamGetCaptureInfo_v3",
		&x.addNode: "cuGraphAddNode_v2", &x.addKernel: "cuGraphAddKernelNode_v2", &x.getKernel: "cuGraphKernelNodeGetParams_v2", &x.setKernel: "cuGraphKernelNodeSetParams_v2",
		&x.execSetKernel: "cuGraphExecKernelNodeSetParams_v2", &x.addHost: "cuGraphAddHostNode",
		&x.ipcGetMem: "cuIpcGetMemHandle", &x.ipcOpenMem: "cuIpcOpenMemHandle_v2", &x.ipcCloseMem: "cuIpcCloseMemHandle",
		&x.ipcGetEvent: "cuIpcGetEventHandle", &x.ipcOpenEvent: "cuIpcOpenEventHandle",
		&x.memExport: "cuMemExportToShareableHandle", &x.memImport: "cuMemImportFromShareableHandle",
		&x.poolExport: "cuMemPoolExportToShareableHandle", &x.poolImport: "cuMemPoolImportFromShareableHandle",
		&x.poolExportPointer: "cuMemPoolExportPointer", &x.poolImportPointer: "cuMemPoolImportPointer",
		&x.userObject: "cuUserObjectCreate", &x.getHost: "cuGraphHostNodeGetParams", &x.setHost: "cuGraphHostNodeSetParams", &x.execSetHost: "cuGraphExecHostNodeSetParams",
		&x.maxActiveClusters: "cuOccupancyMaxActiveClusters", &x.maxClusterSize: "cuOccupancyMaxPotentialClusterSize",
	} {
		*p = d.symbol(s)
	}
	t, err := d.NewThread()
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if r := t.Init(0); r != driver.Success {
		return nil, fmt.Errorf("initialise the NVIDIA driver: %w", r)
	}
	return d, nil
}

func (d *Driver) symbol(name string) unsafe.Pointer {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.dlsym(d.library, s)
}

// Close leaves the library loaded: the driver cannot be unloaded safely, and the process ends soon.
func (d *Driver) Close() error { return nil }
