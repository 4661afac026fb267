// SPDX-License-Identifier: Apache-2.0

package cuda

/*
#include <stdlib.h>
*/
import "C"

import (
	"bytes"
	"math"
	"runtime"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
)

// CUjit_option numbers that carry results.
const (
	jitWallTime       = 2
	jitInfoLog        = 3
	jitInfoLogBytes   = 4
	jitErrorLog       = 5
	jitErrorLogBytes  = 6
	maxJITLog         = 1 << 16
	maxLinkLog        = 1500
	maxEnumeratedFuns = 1 << 16
)

// jitArrays is an option list in C memory, with the log buffers that it names.
type jitArrays struct {
	ids         []uint32
	values      []uint64
	info, error []byte
	wall        int // index of the wall time option, -1 if absent
	memory      unsafe.Pointer
}

func newJITArrays(options []driver.JITOption, log *driver.JITLog) *jitArrays {
	n := len(options) + 5
	infoBytes, errorBytes := min(log.InfoBytes, maxJITLog), min(log.ErrorBytes, maxJITLog)
	m := C.calloc(1, C.size_t(n*16+infoBytes+errorBytes))
	j := &jitArrays{memory: m, wall: -1,
		values: unsafe.Slice((*uint64)(m), n)[:0],
		ids:    unsafe.Slice((*uint32)(unsafe.Add(m, n*8)), n)[:0],
		info:   unsafe.Slice((*byte)(unsafe.Add(m, n*16)), infoBytes),
		error:  unsafe.Slice((*byte)(unsafe.Add(m, n*16+infoBytes)), errorBytes)}
	for _, o := range options {
		if o.ID >= jitInfoLog && o.ID <= jitErrorLogBytes {
			continue
		}
		if o.ID == jitWallTime {
			j.wall = len(j.ids)
		}
		j.add(o.ID, o.Value)
	}
	if infoBytes > 0 {
		j.add(jitInfoLog, address(j.info))
		j.add(jitInfoLogBytes, uint64(infoBytes))
	}
	if errorBytes > 0 {
		j.add(jitErrorLog, address(j.error))
		j.add(jitErrorLogBytes, uint64(errorBytes))
	}
	return j
}

func (j *jitArrays) add(id uint32, value uint64) {
	j.ids, j.values = append(j.ids, id), append(j.values, value)
}

// finish copies the results into log and frees the arrays.
func (j *jitArrays) finish(log *driver.JITLog) {
	log.Info, log.Error = text(j.info), text(j.error)
	if j.wall >= 0 {
		log.WallTime = math.Float32frombits(uint32(j.values[j.wall]))
	}
	C.free(j.memory)
}

func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// ModuleLoad calls cuModuleLoadDataEx.
func (t *Thread) ModuleLoad(image []byte, options []driver.JITOption, log *driver.JITLog) (driver.Module, driver.Result) {
	j := newJITArrays(options, log)
	a := t.frame.args
	a[0], a[1], a[2], a[3], a[4] = t.frame.out(0, 0), address(image), uint64(len(j.ids)), address(j.ids), address(j.values)
	r := t.invoke(t.d.extra.moduleLoadDataEx, 5)
	runtime.KeepAlive(image)
	j.finish(log)
	return driver.Module(t.frame.outs[0]), r
}

// LibraryLoad calls cuLibraryLoadData; the driver makes its own copy of the image.
func (t *Thread) LibraryLoad(image []byte, options []driver.JITOption, log *driver.JITLog) (driver.Library, driver.Result) {
	j := newJITArrays(options, log)
	a := t.frame.args
	a[0], a[1], a[2], a[3], a[4] = t.frame.out(0, 0), address(image), address(j.ids), address(j.values), uint64(len(j.ids))
	a[5], a[6], a[7] = 0, 0, 0
	r := t.invoke(t.d.extra.libraryLoadData, 8)
	runtime.KeepAlive(image)
	j.finish(log)
	return driver.Library(t.frame.outs[0]), r
}

// ModuleFunctionNames lists a module's kernels.
func (t *Thread) ModuleFunctionNames(m driver.Module) ([]string, driver.Result) {
	return t.names(uint64(m), t.d.extra.moduleFunctionCount, t.d.extra.moduleEnumerate, t.d.extra.funcGetName)
}

// LibraryKernelNames lists a library's kernels.
func (t *Thread) LibraryKernelNames(l driver.Library) ([]string, driver.Result) {
	return t.names(uint64(l), t.d.extra.libraryKernelCount, t.d.extra.libraryEnumerate, t.d.extra.kernelGetName)
}

func (t *Thread) names(owner uint64, count, enumerate, name unsafe.Pointer) ([]string, driver.Result) {
	a := t.frame.args
	a[0], a[1] = t.frame.out(0, 0), owner
	if r := t.invoke(count, 2); r != driver.Success {
		return nil, r
	}
	n := min(t.frame.outs[0]&math.MaxUint32, maxEnumeratedFuns)
	list := make([]uint64, n)
	a[0], a[1], a[2] = address(list), n, owner
	if r := t.invoke(enumerate, 3); r != driver.Success {
		return nil, r
	}
	names := make([]string, 0, n)
	for _, h := range list {
		a[0], a[1] = t.frame.out(0, 0), h
		if r := t.invoke(name, 2); r != driver.Success {
			return nil, r
		}
		names = append(names, C.GoString((*C.char)(pointer(t.frame.outs[0]))))
	}
	return names, driver.Success
}

// pointer turns an address that the driver returned into a pointer to its memory.
func pointer(a uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&a)) }

// LinkCreate calls cuLinkCreate. The linker writes its logs into buffers named here until the link's end, so
// the option arrays stay until then.
func (t *Thread) LinkCreate(options []driver.JITOption) (driver.LinkState, driver.Result) {
	j := newJITArrays(options, &driver.JITLog{InfoBytes: maxLinkLog, ErrorBytes: maxLinkLog})
	a := t.frame.args
	a[0], a[1], a[2], a[3] = uint64(len(j.ids)), address(j.ids), address(j.values), t.frame.out(0, 0)
	r := t.invoke(t.d.extra.linkCreate, 4)
	l := driver.LinkState(t.frame.outs[0])
	if r != driver.Success {
		j.finish(&driver.JITLog{})
		return 0, r
	}
	t.d.links.Store(l, j)
	return l, r
}

// linkLog copies what a link's compiler has said so far.
func (d *Driver) linkLog(l driver.LinkState, log *driver.JITLog) {
	if v, ok := d.links.Load(l); ok {
		j := v.(*jitArrays)
		log.Info, log.Error = text(j.info), text(j.error)
	}
}

// LinkDestroy calls cuLinkDestroy, after which the logs are nobody's.
func (t *Thread) LinkDestroy(l driver.LinkState) driver.Result {
	t.frame.args[0] = uint64(l)
	r := t.invoke(t.d.extra.linkDestroy, 1)
	if j, ok := t.d.links.LoadAndDelete(l); ok {
		j.(*jitArrays).finish(&driver.JITLog{})
	}
	return r
}

// LinkAdd calls cuLinkAddData.
func (t *Thread) LinkAdd(l driver.LinkState, kind uint32, data []byte, name string, options []driver.JITOption, log *driver.JITLog) driver.Result {
	var none driver.JITLog
	j := newJITArrays(options, &none)
	defer j.finish(&none)
	a := t.frame.args
	a[0], a[1], a[2], a[3], a[4] = uint64(l), uint64(kind), address(data), uint64(len(data)), t.frame.cstr(name)
	a[5], a[6], a[7] = uint64(len(j.ids)), address(j.ids), address(j.values)
	r := t.invoke(t.d.extra.linkAddData, 8)
	runtime.KeepAlive(data)
	t.d.linkLog(l, log)
	return r
}

// LinkComplete calls cuLinkComplete.
func (t *Thread) LinkComplete(l driver.LinkState, log *driver.JITLog) ([]byte, driver.Result) {
	a := t.frame.args
	a[0], a[1], a[2] = uint64(l), t.frame.out(0, 0), t.frame.out(1, 0)
	r := t.invoke(t.d.extra.linkComplete, 3)
	t.d.linkLog(l, log)
	if r != driver.Success {
		return nil, r
	}
	return unsafe.Slice((*byte)(pointer(t.frame.outs[0])), t.frame.outs[1]), driver.Success
}
