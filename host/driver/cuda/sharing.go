// SPDX-License-Identifier: Apache-2.0

package cuda

/*
#include <stdint.h>

// Handles go by value.
struct orion_handle { char bytes[64]; };

static int orion_open_memory(void *f, uint64_t *p, const struct orion_handle *h, unsigned flags)
{
	return ((int (*)(uint64_t *, struct orion_handle, unsigned))f)(p, *h, flags);
}

static int orion_open_event(void *f, uint64_t *event, const struct orion_handle *h)
{
	return ((int (*)(uint64_t *, struct orion_handle))f)(event, *h);
}
*/
import "C"

import (
	"os"
	"runtime"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
)

const (
	sharedBytes = 64 // of a CUipcMemHandle, a CUipcEventHandle and a CUmemPoolPtrExportData
	handleFile  = 1  // CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
)

// bytesOf calls a function of the form f(out *[64]byte, what).
func (t *Thread) bytesOf(f unsafe.Pointer, what uint64) (driver.Shared, driver.Result) {
	b := make([]byte, sharedBytes)
	t.frame.args[0], t.frame.args[1] = address(b), what
	r := t.invoke(f, 2)
	runtime.KeepAlive(b)
	return driver.Shared{Data: b}, r
}

// IpcGetMem calls cuIpcGetMemHandle.
func (t *Thread) IpcGetMem(p driver.DevicePtr) (driver.Shared, driver.Result) {
	return t.bytesOf(t.d.extra.ipcGetMem, uint64(p))
}

// IpcOpenMem calls cuIpcOpenMemHandle.
func (t *Thread) IpcOpenMem(s driver.Shared, flags uint32) (driver.DevicePtr, driver.Result) {
	if t.d.extra.ipcOpenMem == nil || len(s.Data) != sharedBytes {
		return 0, driver.ErrorNotSupported
	}
	t.lock()
	t.frame.outs[0] = 0
	r := C.orion_open_memory(t.d.extra.ipcOpenMem, (*C.uint64_t)(unsafe.Pointer(&t.frame.outs[0])),
		(*C.struct_orion_handle)(unsafe.Pointer(&s.Data[0])), C.uint(flags))
	return driver.DevicePtr(t.frame.outs[0]), driver.Result(r)
}

// IpcCloseMem calls cuIpcCloseMemHandle.
func (t *Thread) IpcCloseMem(p driver.DevicePtr) driver.Result {
	t.frame.args[0] = uint64(p)
	return t.invoke(t.d.extra.ipcCloseMem, 1)
}

// IpcGetEvent calls cuIpcGetEventHandle.
func (t *Thread) IpcGetEvent(e driver.Event) (driver.Shared, driver.Result) {
	return t.bytesOf(t.d.extra.ipcGetEvent, uint64(e))
}

// IpcOpenEvent calls cuIpcOpenEventHandle.
func (t *Thread) IpcOpenEvent(s driver.Shared) (driver.Event, driver.Result) {
	if t.d.extra.ipcOpenEvent == nil || len(s.Data) != sharedBytes {
		return 0, driver.ErrorNotSupported
	}
	t.lock()
	t.frame.outs[0] = 0
	r := C.orion_open_event(t.d.extra.ipcOpenEvent, (*C.uint64_t)(unsafe.Pointer(&t.frame.outs[0])),
		(*C.struct_orion_handle)(unsafe.Pointer(&s.Data[0])))
	return driver.Event(t.frame.outs[0]), driver.Result(r)
}

// fileOf calls a function of the form f(out *int, what, handle type, flags).
func (t *Thread) fileOf(f unsafe.Pointer, what uint64, name string) (driver.Shared, driver.Result) {
	a := t.frame.args
	a[0], a[1], a[2], a[3] = t.frame.out(0, 0), what, handleFile, 0
	if r := t.invoke(f, 4); r != driver.Success {
		return driver.Shared{}, r
	}
	return driver.Shared{File: os.NewFile(uintptr(int32(t.frame.outs[0])), name)}, driver.Success
}

// MemExport calls cuMemExportToShareableHandle.
func (t *Thread) MemExport(h driver.MemHandle) (driver.Shared, driver.Result) {
	return t.fileOf(t.d.extra.memExport, uint64(h), "memory")
}

// MemImport calls cuMemImportFromShareableHandle.
func (t *Thread) MemImport(s driver.Shared) (driver.MemHandle, driver.Result) {
	if s.File == nil {
		return 0, driver.ErrorInvalidValue
	}
	a := t.frame.args
	a[0], a[1], a[2] = t.frame.out(0, 0), uint64(s.File.Fd()), handleFile
	r := t.invoke(t.d.extra.memImport, 3)
	runtime.KeepAlive(s.File)
	return driver.MemHandle(t.frame.outs[0]), r
}

// PoolExport calls cuMemPoolExportToShareableHandle.
func (t *Thread) PoolExport(p driver.MemPool) (driver.Shared, driver.Result) {
	return t.fileOf(t.d.extra.poolExport, uint64(p), "memory pool")
}

// PoolImport calls cuMemPoolImportFromShareableHandle.
func (t *Thread) PoolImport(s driver.Shared) (driver.MemPool, driver.Result) {
	if s.File == nil {
		return 0, driver.ErrorInvalidValue
	}
	a := t.frame.args
	a[0], a[1], a[2], a[3] = t.frame.out(0, 0), uint64(s.File.Fd()), handleFile, 0
	r := t.invoke(t.d.extra.poolImport, 4)
	runtime.KeepAlive(s.File)
	return driver.MemPool(t.frame.outs[0]), r
}

// PoolExportPointer calls cuMemPoolExportPointer.
func (t *Thread) PoolExportPointer(p driver.DevicePtr) (driver.Shared, driver.Result) {
	return t.bytesOf(t.d.extra.poolExportPointer, uint64(p))
}

// PoolImportPointer calls cuMemPoolImportPointer.
func (t *Thread) PoolImportPointer(p driver.MemPool, s driver.Shared) (driver.DevicePtr, driver.Result) {
	if len(s.Data) != sharedBytes {
		return 0, driver.ErrorInvalidValue
	}
	a := t.frame.args
	a[0], a[1], a[2] = t.frame.out(0, 0), uint64(p), address(s.Data)
	r := t.invoke(t.d.extra.poolImportPointer, 3)
	runtime.KeepAlive(s.Data)
	return driver.DevicePtr(t.frame.outs[0]), r
}
