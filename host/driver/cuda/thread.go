// SPDX-License-Identifier: Apache-2.0

package cuda

/*
#include <stdint.h>
#include <stdlib.h>

typedef uint64_t w;

// Arguments beyond what the function takes are harmless: the caller owns them in both calling conventions.
static int orion_call(void *f, const w *a, int n)
{
	if (n <= 6)
		return ((int (*)(w, w, w, w, w, w))f)(a[0], a[1], a[2], a[3], a[4], a[5]);
	return ((int (*)(w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w))f)(a[0], a[1], a[2], a[3], a[4], a[5], a[6],
		a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15]);
}

// Floats travel in registers of their own, whatever stands between them.
static int orion_call_floats(void *f, const w *a, float x, float y)
{
	return ((int (*)(w, w, w, w, float, float))f)(a[0], a[1], a[2], a[3], x, y);
}
#cgo noescape orion_call
#cgo noescape orion_call_floats
*/
import "C"

import (
	"errors"
	"math"
	"runtime"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
)

const (
	frameArgs  = 16
	frameOuts  = 8
	frameText  = 4096
	frameSize  = (frameArgs + frameOuts) * 8
	paramsRoom = 32 << 10 // the largest parameter buffer of a kernel
)

// frame is one thread's argument words, result words and scratch memory, all of it C memory.
type frame struct {
	args *[frameArgs]uint64
	outs *[frameOuts]uint64
	text *[frameText]byte
	// params and extra are what cuLaunchKernel's extra parameter names: a packed buffer and its size.
	params     *[paramsRoom]byte
	extra      *[5]uint64
	paramBytes *uint64
	big        []unsafe.Pointer // strings that did not fit text
}

// Thread is a calling thread of the driver. It implements driver.API.
type Thread struct {
	d      *Driver
	frame  *frame
	memory unsafe.Pointer
	locked bool
}

var _ driver.API = (*Thread)(nil)

// NewThread returns a calling thread. Its first call locks the goroutine to its OS thread.
func (d *Driver) NewThread() (driver.API, error) {
	total := frameSize + frameText + paramsRoom + 5*8 + 8
	m := C.calloc(1, C.size_t(total))
	if m == nil {
		return nil, errors.New("allocate a call frame: out of memory")
	}
	at := func(offset int) unsafe.Pointer { return unsafe.Add(m, offset) }
	f := &frame{
		args:       (*[frameArgs]uint64)(at(0)),
		outs:       (*[frameOuts]uint64)(at(frameArgs * 8)),
		text:       (*[frameText]byte)(at(frameSize)),
		params:     (*[paramsRoom]byte)(at(frameSize + frameText)),
		extra:      (*[5]uint64)(at(frameSize + frameText + paramsRoom)),
		paramBytes: (*uint64)(at(frameSize + frameText + paramsRoom + 40)),
	}
	const bufferPointer, bufferSize, end = 1, 2, 0
	*f.extra = [5]uint64{bufferPointer, addressOf(f.params), bufferSize, addressOf(f.paramBytes), end}
	return &Thread{d: d, frame: f, memory: m}, nil
}

// Close frees the frame.
func (t *Thread) Close() error {
	if t.locked {
		runtime.UnlockOSThread()
	}
	C.free(t.memory)
	t.memory = nil
	return nil
}

func (t *Thread) call(sym, n int) driver.Result { return t.invoke(t.d.fns[sym], n) }

// callFloats calls a function of up to four words and two floats.
func (t *Thread) callFloats(sym int, floats ...float32) driver.Result {
	fn := t.d.fns[sym]
	if fn == nil {
		return driver.ErrorNotSupported
	}
	t.lock()
	var v [2]float32
	copy(v[:], floats)
	return driver.Result(C.orion_call_floats(fn, (*C.w)(unsafe.Pointer(t.frame.args)), C.float(v[0]), C.float(v[1])))
}

// lock keeps the goroutine on the OS thread that the driver knows.
func (t *Thread) lock() {
	if !t.locked {
		runtime.LockOSThread()
		t.locked = true
	}
}

func (t *Thread) invoke(fn unsafe.Pointer, n int) driver.Result {
	if fn == nil {
		return driver.ErrorNotSupported // the host's driver is older than the function
	}
	t.lock()
	r := driver.Result(C.orion_call(fn, (*C.w)(unsafe.Pointer(t.frame.args)), C.int(n)))
	for _, p := range t.frame.big {
		C.free(p)
	}
	t.frame.big = t.frame.big[:0]
	return r
}

// out sets result word i and returns its address.
func (f *frame) out(i int, start uint64) uint64 {
	f.outs[i] = start
	return addressOf(&f.outs[i])
}

// cstr returns the address of a NUL-ended copy of s, valid for the next call only. A call has one string.
func (f *frame) cstr(s string) uint64 {
	if len(s) < frameText {
		copy(f.text[:], s)
		f.text[len(s)] = 0
		return addressOf(f.text)
	}
	p := unsafe.Pointer(C.CString(s))
	f.big = append(f.big, p)
	return uint64(uintptr(p))
}

func addressOf[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// address is the address of a slice's first element, 0 for an empty one. The caller keeps the slice alive
// until its call returns; the collector does not move what a goroutine in a C call refers to.
func address[T any](b []T) uint64 {
	if len(b) == 0 {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

// blob is address for bytes of a program's: where it pointed to none, so does this, and is 0 for nil alone. The driver
// wants the strides of a tensor map of one dimension, of which there are none, to be somewhere.
func blob(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func wordFloat(w uint64) float32 { return math.Float32frombits(uint32(w)) }
