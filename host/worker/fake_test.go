// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"log/slog"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// fakeDriver grants what the worker's own handlers ask, refuses the rest, and watches that no address reaches it
// that the client must not name.
type fakeDriver struct {
	driver.Unsupported
	refusing
	region  *region
	memory  *memory // of the server, for the second addresses of its ranges
	next    uint64  // handle or address to give out
	command []byte  // the worker's copy of the command being run
}

func (f *fakeDriver) NewThread() (driver.API, error) {
	return &fakeDriver{region: f.region, memory: f.memory}, nil
}
func (f *fakeDriver) Close() error { return nil }

func (f *fakeDriver) fresh() uint64 {
	f.next += 0x1000
	return f.next
}

// own panics unless n bytes at p are the client's to name, or come out of its command.
func (f *fakeDriver) own(p driver.HostPtr, n uint64) driver.Result {
	if f.region.contains(p, n) {
		return driver.Success
	}
	if len(f.command) > 0 {
		first := uint64(uintptr(unsafe.Pointer(&f.command[0])))
		if at := uint64(p); at >= first && at-first <= uint64(len(f.command)) && n <= uint64(len(f.command))-(at-first) {
			return driver.Success
		}
	}
	if f.memory.inFile(p, n) {
		return driver.Success
	}
	for _, a := range f.memory.alias {
		if p >= a.at && uint64(p-a.at) <= a.bytes && n <= a.bytes-uint64(p-a.at) {
			return driver.Success
		}
	}
	panic(fmt.Sprintf("the driver is given %d bytes at %#x, which are not the client's", n, uint64(p)))
}

func (f *fakeDriver) CtxSetCurrent(driver.Context) driver.Result   { return driver.Success }
func (f *fakeDriver) CtxGetDevice() (driver.Device, driver.Result) { return 0, driver.Success }
func (f *fakeDriver) DeviceGetAttribute(attribute uint32, _ driver.Device) (int32, driver.Result) {
	return map[uint32]int32{75: 9}[attribute], driver.Success // compute capability 9.0
}
func (f *fakeDriver) CtxSynchronize() driver.Result                     { return driver.Success }
func (f *fakeDriver) StreamQuery(driver.Stream) driver.Result           { return driver.Success }
func (f *fakeDriver) StreamSynchronize(driver.Stream) driver.Result     { return driver.Success }
func (f *fakeDriver) EventQuery(driver.Event) driver.Result             { return driver.Success }
func (f *fakeDriver) MemFree(driver.DevicePtr) driver.Result            { return driver.Success }
func (f *fakeDriver) MemHostUnregister(driver.HostPtr) driver.Result    { return driver.Success }
func (f *fakeDriver) MemGetInfo() (free, total uint64, r driver.Result) { return 1 << 30, 1 << 30, 0 }
func (f *fakeDriver) MemAlloc(uint64) (driver.DevicePtr, driver.Result) {
	return driver.DevicePtr(f.fresh()), 0
}
func (f *fakeDriver) ModuleUnload(driver.Module) driver.Result { return driver.Success }
func (f *fakeDriver) GraphCreate(uint32) (driver.Graph, driver.Result) {
	return driver.Graph(f.fresh()), 0
}
func (f *fakeDriver) EventCreate(uint32) (driver.Event, driver.Result) {
	return driver.Event(f.fresh()), 0
}

// MemHostRegister takes what the client names, and the slots, which the worker registers itself after a reset.
func (f *fakeDriver) MemHostRegister(p driver.HostPtr, n uint64, _ uint32) driver.Result {
	if slots, size := f.region.slots(); p == slots && n == size {
		return driver.Success
	}
	return f.own(p, n)
}

func (f *fakeDriver) DevicePrimaryCtxRetain(d driver.Device) (driver.Context, driver.Result) {
	if d != 0 {
		return 0, driver.ErrorInvalidDevice
	}
	return driver.Context(f.fresh()), driver.Success
}

func (f *fakeDriver) MemHostGetDevicePointer(p driver.HostPtr, _ uint32) (driver.DevicePtr, driver.Result) {
	return driver.DevicePtr(p), f.own(p, 1)
}

func (f *fakeDriver) MemcpyHtoDAsync(_ driver.DevicePtr, p driver.HostPtr, n uint64, _ driver.Stream) driver.Result {
	return f.own(p, n)
}

func (f *fakeDriver) MemcpyDtoHAsync(p driver.HostPtr, _ driver.DevicePtr, n uint64, _ driver.Stream) driver.Result {
	return f.own(p, n)
}

func (f *fakeDriver) ModuleLoad(image []byte, _ []driver.JITOption, log *driver.JITLog) (driver.Module, driver.Result) {
	log.Error = fmt.Sprint(len(image))
	return driver.Module(f.fresh()), driver.Success
}

// WriteFlag takes the flags of reply slots, and what the client names.
func (f *fakeDriver) WriteFlag(_ driver.Stream, p driver.HostPtr, _ uint32) driver.Result {
	at := uint64(p) - uint64(f.region.base) - wire.SlotsOffset
	if at < wire.SlotCount*wire.SlotSize && at%wire.SlotSize == wire.SlotFlag ||
		at >= wire.EventsOffset-wire.SlotsOffset && at < wire.RingOffset-wire.SlotsOffset {
		return driver.Success
	}
	return f.own(p, 4)
}

// refusing is a driver.Composite that has nothing.
type refusing struct{}

const no = driver.ErrorNotSupported

func (refusing) Launch(driver.Function, *driver.LaunchConfig, []byte) driver.Result { return no }
func (refusing) FunctionParams(driver.Function) ([]driver.ParamInfo, driver.Result) { return nil, no }
func (refusing) KernelParams(driver.Kernel) ([]driver.ParamInfo, driver.Result)     { return nil, no }
func (refusing) LibraryLoad([]byte, []driver.JITOption, *driver.JITLog) (driver.Library, driver.Result) {
	return 0, no
}
func (refusing) ModuleFunctionNames(driver.Module) ([]string, driver.Result)     { return nil, no }
func (refusing) LibraryKernelNames(driver.Library) ([]string, driver.Result)     { return nil, no }
func (refusing) LinkCreate([]driver.JITOption) (driver.LinkState, driver.Result) { return 0, no }
func (refusing) LinkDestroy(driver.LinkState) driver.Result                      { return driver.ErrorNotSupported }
func (refusing) LinkComplete(driver.LinkState, *driver.JITLog) ([]byte, driver.Result) {
	return nil, no
}
func (refusing) LinkAdd(driver.LinkState, uint32, []byte, string, []driver.JITOption, *driver.JITLog) driver.Result {
	return no
}
func (refusing) LaunchHost(driver.Stream, driver.HostCall) driver.Result         { return no }
func (refusing) GraphNodes(driver.Graph) ([]driver.GraphNode, driver.Result)     { return nil, no }
func (refusing) GraphRootNodes(driver.Graph) ([]driver.GraphNode, driver.Result) { return nil, no }
func (refusing) GraphEdges(driver.Graph) ([]driver.GraphEdge, driver.Result)     { return nil, no }
func (refusing) NodeDependencies(driver.GraphNode) ([]driver.GraphEdge, driver.Result) {
	return nil, no
}
func (refusing) NodeDependents(driver.GraphNode) ([]driver.GraphEdge, driver.Result) { return nil, no }
func (refusing) CaptureInfo(driver.Stream) (driver.CaptureInfo, driver.Result) {
	return driver.CaptureInfo{}, no
}
func (refusing) GraphAddKernel(driver.Graph, []driver.GraphNode, []byte, *driver.KernelNode) (driver.GraphNode, driver.Result) {
	return 0, no
}
func (refusing) GraphKernelParams(driver.GraphNode) (driver.KernelNode, driver.Result) {
	return driver.KernelNode{}, no
}
func (refusing) GraphSetKernelParams(driver.GraphNode, *driver.KernelNode) driver.Result { return no }
func (refusing) GraphExecSetKernelParams(driver.GraphExec, driver.GraphNode, *driver.KernelNode) driver.Result {
	return no
}
func (refusing) GraphAddHost(driver.Graph, []driver.GraphNode, driver.HostCall) (driver.GraphNode, driver.Result) {
	return 0, no
}
func (refusing) IpcGetMem(driver.DevicePtr) (driver.Shared, driver.Result) {
	return driver.Shared{}, no
}
func (refusing) IpcOpenMem(driver.Shared, uint32) (driver.DevicePtr, driver.Result) { return 0, no }
func (refusing) IpcCloseMem(driver.DevicePtr) driver.Result                         { return no }
func (refusing) IpcGetEvent(driver.Event) (driver.Shared, driver.Result) {
	return driver.Shared{}, no
}
func (refusing) IpcOpenEvent(driver.Shared) (driver.Event, driver.Result) { return 0, no }
func (refusing) MemExport(driver.MemHandle) (driver.Shared, driver.Result) {
	return driver.Shared{}, no
}
func (refusing) MemImport(driver.Shared) (driver.MemHandle, driver.Result) { return 0, no }
func (refusing) PoolExport(driver.MemPool) (driver.Shared, driver.Result)  { return driver.Shared{}, no }
func (refusing) PoolImport(driver.Shared) (driver.MemPool, driver.Result)  { return 0, no }
func (refusing) PoolExportPointer(driver.DevicePtr) (driver.Shared, driver.Result) {
	return driver.Shared{}, no
}
func (refusing) PoolImportPointer(driver.MemPool, driver.Shared) (driver.DevicePtr, driver.Result) {
	return 0, no
}
func (refusing) UserObjectCreate(driver.HostCall, uint32) (driver.UserObject, driver.Result) {
	return 0, no
}
func (refusing) GraphHostCall(driver.GraphNode) (driver.HostCall, driver.Result) { return nil, no }
func (refusing) GraphSetHost(driver.GraphNode, driver.HostCall) driver.Result    { return no }
func (refusing) GraphExecSetHost(driver.GraphExec, driver.GraphNode, driver.HostCall) driver.Result {
	return no
}
func (refusing) GraphMoveChild(driver.Graph, []driver.GraphNode, driver.Graph) (driver.GraphNode, driver.Result) {
	return 0, no
}
func (refusing) GraphAddConditional(driver.Graph, []driver.GraphNode, driver.Conditional) (driver.GraphNode, []driver.Graph, driver.Result) {
	return 0, nil, no
}
func (refusing) MaxActiveClusters(driver.Function, *driver.LaunchConfig) (int32, driver.Result) {
	return 0, no
}
func (refusing) MaxPotentialClusterSize(driver.Function, *driver.LaunchConfig) (int32, driver.Result) {
	return 0, no
}

// anyRegion is a region of the smallest size, wherever there is room for it.
func anyRegion(t testing.TB) *region {
	t.Helper()
	fd, err := unix.MemfdCreate("orion-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Ftruncate(fd, wire.MinRegionSize); err != nil {
		t.Fatal(err)
	}
	mem, err := unix.Mmap(fd, 0, wire.MinRegionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(mem) })
	return &region{base: uintptr(unsafe.Pointer(&mem[0])), size: wire.MinRegionSize, fd: fd}
}

// tidy unmaps the second addresses that are left, and those that were.
func (f *fakeDriver) tidy() {
	for _, s := range f.memory.vacant.spans {
		unmap(s.from, s.to-s.from)
	}
	for _, a := range f.memory.alias {
		unmap(uint64(a.at), a.bytes)
	}
}

// fakeServer is a server of a region with a driver that checks what it is given.
func fakeServer(r *region) (*server, *fakeDriver) {
	cfg := Config{VGPUs: []VGPU{{MemoryBytes: 1 << 20}}}
	f := &fakeDriver{region: r, memory: newMemory(cfg.VGPUs)}
	s := newServer(cfg, r, f, f, f.memory)
	s.log = slog.New(slog.DiscardHandler)
	return s, f
}
