// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
)

// rig is a driver with a context current, for one test.
type rig struct {
	testing.TB
	*thread
	mu  sync.Mutex
	out bytes.Buffer
}

func newRig(t testing.TB, devices int) *rig {
	t.Helper()
	r := &rig{TB: t}
	d, err := New(Config{Devices: devices, MemoryBytes: 64 << 20, NodeName: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Stdout: func(b []byte) { r.mu.Lock(); defer r.mu.Unlock(); r.out.Write(b) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	api, err := d.NewThread()
	if err != nil {
		t.Fatal(err)
	}
	r.thread = api.(*thread)
	r.primary(0)
	return r
}

func (r *rig) primary(dev driver.Device) driver.Context {
	r.Helper()
	c, res := r.DevicePrimaryCtxRetain(dev)
	r.ok(res)
	r.ok(r.CtxSetCurrent(c))
	return c
}

func (r *rig) ok(res driver.Result) {
	r.Helper()
	if res != driver.Success {
		r.Fatal(res)
	}
}

func (r *rig) want(res, want driver.Result) {
	r.Helper()
	if res != want {
		r.Fatalf("result is %v, want %v", res, want)
	}
}

func (r *rig) load(name string) driver.Module {
	r.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		r.Fatal(err)
	}
	m, res := r.ModuleLoad(append(text, 0), nil, &driver.JITLog{})
	r.ok(res)
	return m
}

func (r *rig) function(m driver.Module, name string) driver.Function {
	r.Helper()
	f, res := r.ModuleGetFunction(m, name)
	r.ok(res)
	return f
}

func (r *rig) alloc(n uint64) driver.DevicePtr {
	r.Helper()
	p, res := r.MemAlloc(n)
	r.ok(res)
	return p
}

func host[T any](s []T) driver.HostPtr { return driver.HostPtr(uintptr(unsafe.Pointer(&s[0]))) }

func (r *rig) upload(p driver.DevicePtr, s []float32) {
	r.Helper()
	r.ok(r.MemcpyHtoD(p, host(s), uint64(4*len(s))))
	runtime.KeepAlive(s)
}

func (r *rig) download(p driver.DevicePtr, n int) []float32 {
	r.Helper()
	s := make([]float32, n)
	r.ok(r.MemcpyDtoH(host(s), p, uint64(4*n)))
	return s
}

// vectorAdd are the parameters of the test kernel.
func vectorAdd(a, b, c driver.DevicePtr, n int) []byte {
	var p []byte
	for _, v := range []driver.DevicePtr{a, b, c} {
		p = binary.LittleEndian.AppendUint64(p, uint64(v))
	}
	return binary.LittleEndian.AppendUint32(p, uint32(n))
}

func (r *rig) launch(f driver.Function, s driver.Stream, blocks, threads uint32, params []byte) driver.Result {
	return r.Launch(f, &driver.LaunchConfig{Grid: [3]uint32{blocks, 1, 1}, Block: [3]uint32{threads, 1, 1}, Stream: s}, params)
}

func ramp(n int, by float32) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(i) * by
	}
	return s
}

func TestLaunch(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	const n = 1000
	a, b, c := r.alloc(4*n), r.alloc(4*n), r.alloc(4*n)
	r.upload(a, ramp(n, 1))
	r.upload(b, ramp(n, 2))
	f := r.function(r.load("matrix.ptx"), "vector_add")
	r.ok(r.launch(f, 0, 4, 256, vectorAdd(a, b, c, n)))
	for i, v := range r.download(c, n) {
		if v != float32(i)*3 {
			t.Fatalf("element %d is %v", i, v)
		}
	}
	r.want(r.launch(f, 0, 1, 2048, vectorAdd(a, b, c, n)), driver.ErrorInvalidValue)
	r.want(r.launch(f, 0, 0, 32, vectorAdd(a, b, c, n)), driver.ErrorInvalidValue)
	r.want(r.launch(f, 0, 1, 32, nil), driver.ErrorInvalidValue)
	if list, res := r.FunctionParams(f); res != driver.Success || len(list) != 4 || list[3].Offset != 24 || list[3].Size != 4 {
		t.Errorf("parameters are %v, %v", list, res)
	}
}

func TestFaultIsSticky(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := r.function(r.load("matrix.ptx"), "vector_add")
	a := r.alloc(4096)
	freed := r.alloc(4096)
	r.ok(r.MemFree(freed))
	r.ok(r.launch(f, 0, 1, 32, vectorAdd(a, freed, a, 32)))
	r.want(r.CtxSynchronize(), driver.ErrorIllegalAddress)
	_, res := r.MemAlloc(16)
	r.want(res, driver.ErrorIllegalAddress)
	r.ok(r.DevicePrimaryCtxReset(0))
	r.current = nil
	r.primary(0)
	r.alloc(16)
	f = r.function(r.load("matrix.ptx"), "vector_add")
	a = r.alloc(4096)
	r.ok(r.launch(f, 0, 1, 32, vectorAdd(a+1, a, a, 32)))
	r.want(r.CtxSynchronize(), driver.ErrorMisalignedAddress)
}

// TestMemoryGone takes registered memory away under a kernel and a copy: the process must live on.
func TestMemoryGone(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"kernel", "copy"} {
		r := newRig(t, 1)
		f := r.function(r.load("matrix.ptx"), "vector_add")
		b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			t.Fatal(err)
		}
		p := host(b)
		r.ok(r.MemHostRegister(p, 4096, 0))
		a := r.alloc(4096)
		r.ok(r.launch(f, 0, 1, 32, vectorAdd(driver.DevicePtr(p), a, a, 32)))
		r.ok(r.CtxSynchronize())
		if err := unix.Mprotect(b, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
		if kind == "kernel" {
			r.ok(r.launch(f, 0, 1, 32, vectorAdd(driver.DevicePtr(p), a, a, 32)))
		} else {
			r.ok(r.MemcpyDtoHAsync(p, a, 64, 0))
		}
		r.want(r.CtxSynchronize(), driver.ErrorIllegalAddress)
		_ = unix.Munmap(b)
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	_, res := r.MemAlloc(1 << 40)
	r.want(res, driver.ErrorOutOfMemory)
	free, total, res := r.MemGetInfo()
	r.ok(res)
	p := r.alloc(1 << 20)
	if after, _, _ := r.MemGetInfo(); total != 64<<20 || free-after != 1<<20 {
		t.Errorf("an allocation of 1 MiB took %d of %d", free-after, total)
	}
	r.want(r.MemFree(p+256), driver.ErrorInvalidValue)
	r.ok(r.MemsetD32Async(p, math.Float32bits(2.5), 256, 0))
	if s := r.download(p, 257); s[0] != 2.5 || s[255] != 2.5 || s[256] != 0 {
		t.Errorf("fill wrote %v", s[250:])
	}
	other := r.primary(1)
	q := r.alloc(1 << 20)
	first, _ := r.DevicePrimaryCtxRetain(0)
	r.ok(r.MemcpyPeerAsync(q, other, p, first, 1024, 0))
	if s := r.download(q, 256); s[255] != 2.5 {
		t.Errorf("a copy between GPUs gave %v", s[255])
	}
	ordinal := make([]byte, 4)
	r.ok(r.PointerGetAttribute(ordinal, 9, p))
	if ordinal[0] != 0 {
		t.Errorf("memory of GPU 0 is of GPU %d", ordinal[0])
	}
	r.want(r.MemcpyHtoD(p+1<<20-4, host(ramp(2, 1)), 8), driver.ErrorInvalidValue)
}

func TestVirtualMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	const page = 2 << 20
	prop := make([]byte, 32)
	prop[0], prop[8] = 1, 1
	base, res := r.MemAddressReserve(4*page, 0, 0, 0)
	r.ok(res)
	var blocks [2]driver.MemHandle
	for i := range blocks {
		blocks[i], res = r.MemCreate(page, prop, 0)
		r.ok(res)
		r.ok(r.MemMap(base+driver.DevicePtr(i*page), page, 0, blocks[i], 0))
	}
	r.want(r.MemMap(base, page, 0, blocks[0], 0), driver.ErrorInvalidValue)
	r.want(r.MemcpyHtoD(base, host(ramp(4, 1)), 16), driver.ErrorInvalidValue) // no access yet
	desc := make([]byte, 12)
	desc[0], desc[8] = 1, 3
	r.ok(r.MemSetAccess(base, 2*page, desc, 1))
	r.upload(base+page-8, ramp(4, 1)) // across the blocks
	if s := r.download(base+page-8, 4); s[3] != 3 {
		t.Errorf("memory across two blocks holds %v", s)
	}
	// The second block again elsewhere: the same memory.
	r.ok(r.MemMap(base+3*page, page, 0, blocks[1], 0))
	r.ok(r.MemSetAccess(base+3*page, page, desc, 1))
	if s := r.download(base+3*page, 2); s[1] != 3 {
		t.Errorf("a block mapped twice holds %v at its second place", s)
	}
	r.want(r.MemAddressFree(base, 4*page), driver.ErrorInvalidValue)
	r.ok(r.MemUnmap(base, 2*page))
	r.ok(r.MemUnmap(base+3*page, page))
	r.want(r.MemcpyHtoD(base, host(ramp(4, 1)), 16), driver.ErrorInvalidValue)
	for _, b := range blocks {
		r.ok(r.MemRelease(b))
	}
	r.ok(r.MemAddressFree(base, 4*page))
	if free, total, _ := r.MemGetInfo(); free != total {
		t.Errorf("%d of %d bytes are free at the end", free, total)
	}
}

// TestNothingGrows allocates, launches and frees many times.
func TestNothingGrows(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := r.function(r.load("matrix.ptx"), "empty")
	round := func() {
		s, res := r.StreamCreateWithPriority(1, 0)
		r.ok(res)
		e, res := r.EventCreate(0)
		r.ok(res)
		p, res := r.MemAllocAsync(1000, s)
		r.ok(res)
		r.ok(r.launch(f, s, 1, 32, nil))
		r.ok(r.EventRecord(e, s))
		r.ok(r.MemFreeAsync(p, s))
		r.ok(r.StreamSynchronize(s))
		r.ok(r.EventDestroy(e))
		r.ok(r.StreamDestroy(s))
		r.ok(r.MemFree(r.alloc(1000)))
	}
	round()
	handles, goroutines := len(r.d.handles.objects), runtime.NumGoroutine()
	for range 2000 {
		round()
	}
	r.ok(r.CtxSynchronize())
	if n := len(r.d.handles.objects); n != handles {
		t.Errorf("%d handles became %d", handles, n)
	}
	if n := len(r.d.space.All()); n != 0 {
		t.Errorf("%d ranges are live", n)
	}
	if free, total, _ := r.MemGetInfo(); free != total {
		t.Errorf("%d of %d bytes are free", free, total)
	}
	if n := runtime.NumGoroutine(); n > goroutines+500 { // others run beside this
		t.Errorf("%d goroutines became %d", goroutines, n)
	}
}

func TestCopy2D(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	p, pitch, res := r.MemAllocPitch(40, 5, 4)
	r.ok(res)
	src, dst := ramp(50, 1), make([]float32, 50)
	params := func(srcKind, srcAddr, srcPitch, dstKind, dstAddr, dstPitch uint64) []byte {
		b := make([]byte, 128)
		put := func(i int, v uint64) { binary.LittleEndian.PutUint64(b[8*i:], v) }
		put(2, srcKind)
		put(3+int(srcKind-1), srcAddr)
		put(6, srcPitch)
		put(9, dstKind)
		put(10+int(dstKind-1), dstAddr)
		put(13, dstPitch)
		put(14, 40)
		put(15, 5)
		return b
	}
	r.ok(r.Memcpy2DAsync(params(1, uint64(host(src)), 40, 2, uint64(p), pitch), 0))
	r.ok(r.Memcpy2DUnaligned(params(2, uint64(p), pitch, 1, uint64(host(dst)), 40)))
	for i := range src {
		if src[i] != dst[i] {
			t.Fatalf("element %d is %v", i, dst[i])
		}
	}
}

// slow holds a stream until it is let go.
type slow struct{ gate, entered chan struct{} }

func (s slow) Run() { close(s.entered); <-s.gate }

func TestStreamsAndEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	blocking, res := r.StreamCreateWithPriority(0, 0)
	r.ok(res)
	free, res := r.StreamCreateWithPriority(1, 0)
	r.ok(res)
	e, res := r.EventCreate(0)
	r.ok(res)
	r.ok(r.EventQuery(e)) // never recorded
	s := slow{make(chan struct{}), make(chan struct{})}
	r.ok(r.LaunchHost(blocking, s))
	<-s.entered
	r.ok(r.EventRecord(e, blocking))
	p := r.alloc(4)
	q, res := r.MemAllocAsync(4, free)
	r.ok(res)
	r.ok(r.MemsetD32Async(q, 1, 1, free)) // does not wait
	r.ok(r.StreamSynchronize(free))
	r.ok(r.MemsetD32Async(p, 1, 1, driver.StreamLegacy)) // waits for the blocking stream
	r.want(r.StreamQuery(driver.StreamLegacy), driver.ErrorNotReady)
	r.want(r.EventQuery(e), driver.ErrorNotReady)
	r.ok(r.StreamWaitEvent(free, e, 0))
	r.want(r.StreamQuery(free), driver.ErrorNotReady)
	close(s.gate)
	r.ok(r.EventSynchronize(e))
	r.ok(r.CtxSynchronize())
	r.ok(r.StreamQuery(free))
	r.ok(r.MemFreeAsync(q, free))
	r.ok(r.StreamDestroy(free))
	r.want(r.StreamSynchronize(free), driver.ErrorInvalidHandle)
}

func TestStreamMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	s, _ := r.StreamCreateWithPriority(1, 0)
	p := r.alloc(8)
	r.ok(r.MemsetD32Async(p, 0, 2, 0))
	r.ok(r.CtxSynchronize())
	r.ok(r.StreamWaitValue32(s, p, 5, 0))
	time.Sleep(time.Millisecond)
	r.want(r.StreamQuery(s), driver.ErrorNotReady)
	other, _ := r.StreamCreateWithPriority(1, 0)
	r.ok(r.StreamWriteValue32(other, p, 7, 0))
	r.ok(r.StreamSynchronize(s))
}

func TestGraphCapture(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	const n = 256
	a, b, c := r.alloc(4*n), r.alloc(4*n), r.alloc(4*n)
	r.upload(a, ramp(n, 1))
	r.upload(b, ramp(n, 1))
	f := r.function(r.load("matrix.ptx"), "vector_add")
	s, _ := r.StreamCreateWithPriority(1, 0)
	side, _ := r.StreamCreateWithPriority(1, 0)
	fork, _ := r.EventCreate(2)
	join, _ := r.EventCreate(2)
	r.ok(r.StreamBeginCapture(s, 0))
	r.ok(r.launch(f, s, 1, n, vectorAdd(a, b, c, n)))
	r.ok(r.EventRecord(fork, s))
	r.ok(r.StreamWaitEvent(side, fork, 0))
	r.ok(r.launch(f, side, 1, n, vectorAdd(c, b, a, n)))
	r.ok(r.EventRecord(join, side))
	r.ok(r.StreamWaitEvent(s, join, 0))
	info, res := r.CaptureInfo(s)
	r.ok(res)
	if info.Status != 1 || len(info.Dependencies) != 2 {
		t.Errorf("capture info is %+v", info)
	}
	g, res := r.StreamEndCapture(s)
	r.ok(res)
	nodes, _ := r.GraphNodes(g)
	edges, _ := r.GraphEdges(g)
	if len(nodes) != 2 || len(edges) != 1 {
		t.Fatalf("graph has nodes %v and edges %v", nodes, edges)
	}
	e, res := r.GraphInstantiateWithFlags(g, 0)
	r.ok(res)
	for range 2 {
		r.ok(r.GraphLaunch(e, s))
	}
	r.ok(r.StreamSynchronize(s))
	if v := r.download(a, n); v[100] != 500 { // a = a + 2b, twice
		t.Errorf("after two launches element 100 is %v, want 500", v[100])
	}
	k, res := r.GraphKernelParams(nodes[1])
	r.ok(res)
	k.Params = vectorAdd(b, b, a, n)
	r.ok(r.GraphExecSetKernelParams(e, nodes[1], &k))
	r.ok(r.GraphLaunch(e, s))
	r.ok(r.StreamSynchronize(s))
	if v := r.download(a, n); v[100] != 200 {
		t.Errorf("after the update element 100 is %v, want 200", v[100])
	}
	again, res := r.GraphClone(g)
	r.ok(res)
	_, result, res := r.GraphExecUpdate(e, again)
	r.ok(res)
	if result != 0 {
		t.Errorf("update of a clone gave %d", result)
	}
}

func TestCaptureSpoilt(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	s, _ := r.StreamCreateWithPriority(1, 0)
	r.ok(r.StreamBeginCapture(s, 0))
	r.want(r.StreamSynchronize(s), driver.ErrorStreamCaptureUnsupported)
	_, res := r.StreamEndCapture(s)
	r.want(res, driver.ErrorStreamCaptureInvalidated)
	r.ok(r.StreamSynchronize(s))
}

func TestLibraries(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	text, err := os.ReadFile("testdata/matrix.ptx")
	if err != nil {
		t.Fatal(err)
	}
	l, res := r.LibraryLoad(append(text, 0), nil, &driver.JITLog{})
	r.ok(res)
	k, res := r.LibraryGetKernel(l, "empty")
	r.ok(res)
	_, res = r.LibraryGetKernel(l, "none")
	r.want(res, driver.ErrorNotFound)
	for dev := range driver.Device(2) {
		r.primary(dev)
		f, res := r.KernelGetFunction(k)
		r.ok(res)
		r.ok(r.launch(f, 0, 1, 1, nil))
		r.ok(r.launch(driver.Function(k), 0, 1, 1, nil))
		r.ok(r.CtxSynchronize())
	}
	r.ok(r.LibraryUnload(l))
	_, res = r.KernelGetFunction(k)
	r.want(res, driver.ErrorInvalidHandle)
}

func TestModulesRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for image, want := range map[string]driver.Result{
		"\x7fELF...":                                    driver.ErrorNoBinaryForGpu,
		"nonsense":                                      driver.ErrorInvalidImage,
		".version 8.0\n.target sm_70\nrubbish":          driver.ErrorInvalidPTX,
		".version 9.0\n.target sm_120\n":                driver.ErrorNoBinaryForGpu,
		".version 8.0\n.target sm_70\n.address_size 32": driver.ErrorNotSupported,
	} {
		log := &driver.JITLog{ErrorBytes: 100}
		if _, res := r.ModuleLoad([]byte(image), nil, log); res != want {
			t.Errorf("%q gave %v, want %v", image, res, want)
		}
	}
}

// TestKill ends a context whose kernel never ends.
func TestKill(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c, res := r.CtxCreate(0, 0)
	r.ok(res)
	m, res := r.ModuleLoad([]byte(".version 8.0\n.target sm_70\n.address_size 64\n.visible .entry spin() { L: bra L; }\x00"), nil, &driver.JITLog{})
	r.ok(res)
	r.ok(r.launch(r.function(m, "spin"), 0, 4, 64, nil))
	done := make(chan struct{})
	go func() { defer close(done); r.CtxDestroy(c) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("a kernel that never ends cannot be stopped")
	}
}

func BenchmarkLaunchAndSynchronise(b *testing.B) {
	r := newRig(b, 1)
	f := r.function(r.load("matrix.ptx"), "empty")
	for b.Loop() {
		r.launch(f, 0, 1, 32, nil)
		r.CtxSynchronize()
	}
}

func BenchmarkLaunch(b *testing.B) {
	r := newRig(b, 1)
	f := r.function(r.load("matrix.ptx"), "empty")
	for b.Loop() {
		r.launch(f, 0, 1, 32, nil)
	}
	r.CtxSynchronize()
}

// TestClusters: of clusters none fits, and who asks before, as cuBLAS does, goes without.
func TestClusters(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := r.function(r.load("matrix.ptx"), "vector_add")
	const anyCluster = 14 // CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED
	r.ok(r.FuncSetAttribute(f, anyCluster, 1))
	if v, res := r.FuncGetAttribute(anyCluster, f); res != driver.Success || v != 1 {
		t.Errorf("the attribute is %d, %v", v, res)
	}
	r.want(r.FuncSetAttribute(f, anyCluster, 2), driver.ErrorInvalidValue)
	for blocks, fits := range map[uint32]bool{1: true, 2: false} {
		attribute := make([]byte, driver.LaunchAttributeSize)
		binary.LittleEndian.PutUint32(attribute, attributeCluster)
		binary.LittleEndian.PutUint32(attribute[8:], blocks)
		cfg := &driver.LaunchConfig{Grid: [3]uint32{4, 1, 1}, Block: [3]uint32{32, 1, 1}, Attributes: attribute}
		n, res := r.MaxActiveClusters(f, cfg)
		r.ok(res)
		if (n > 0) != fits {
			t.Errorf("%d clusters of %d blocks fit", n, blocks)
		}
	}
}
