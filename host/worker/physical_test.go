// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu"
	"github.com/orion-vgpu/orion/proto/cuda"
)

// softServer is a server of a software GPU, with a quota of memory.
func softServer(t *testing.T, quota uint64) *server {
	t.Helper()
	drv, err := softgpu.New(softgpu.Config{Indices: []int{0}, MemoryBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	thread, err := drv.NewThread()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { thread.Close() })
	cfg := Config{VGPUs: []VGPU{{MemoryBytes: quota}}}
	m := newMemory(cfg.VGPUs)
	s := newServer(cfg, anyRegion(t), drv, newCharging(thread, m), m)
	t.Cleanup(func() { close(s.waiters.jobs) })
	return s
}

// What was allocated in a context ends with it, and counts no more.
func TestMemoryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	s := softServer(t, 8*size)
	used := func(when string, want uint64) {
		t.Helper()
		if got := s.memory.used[0].sum(); got != want*size {
			t.Fatalf("%s: %d bytes count, want %d", when, got, want*size)
		}
	}
	do := func(context uint32, op uint16, args ...uint64) {
		t.Helper()
		if err := play(s, &fakeDriver{}, frame(op, context, 1, words(args...)), 0); err != nil {
			t.Fatal(err)
		}
	}
	do(0, cuda.OpPrimaryRetain, 0, 16)
	do(0, cuda.OpCuCtxCreate_v2, 17, 0, 0)
	s.home = s.primaries[0]
	do(16, cuda.OpMemAlloc, size)
	do(17, cuda.OpMemAlloc, size)
	do(17, cuda.OpMemAllocPitch, 1024, 1024, 4)
	do(17, cuda.OpMemAllocAsync, size, 0, 0)
	used("all is there", 4)
	do(0, cuda.OpCuCtxDestroy_v2, 99)
	used("no context was destroyed", 4)
	do(0, cuda.OpCuCtxDestroy_v2, 17)
	used("a context was destroyed", 2) // a pool's memory is no context's
	do(0, cuda.OpPrimaryReset, 0)
	used("the primary context was reset", 1)
}

// TestPhysicalMemory: memory of cuMemCreate counts as long as the driver keeps it, whoever has been released.
func TestPhysicalMemory(t *testing.T) {
	t.Parallel()
	const size, quota = 2 << 20, 5 << 20
	s := softServer(t, quota)
	api, m := s.api, s.memory
	ok := func(r driver.Result) {
		t.Helper()
		if r != driver.Success {
			t.Fatal(r)
		}
	}
	used := func(want uint64) {
		t.Helper()
		if m.used[0].sum() != want*size {
			t.Fatalf("%d pieces count, want %d", m.used[0].sum()/size, want)
		}
	}
	prop := func(location uint32) []byte { return append(words(1, uint64(location)), make([]byte, 16)...) }
	create := func() driver.MemHandle {
		t.Helper()
		h, r := s.onMemCreate(api, size, prop(1), 0)
		ok(r)
		return h
	}
	release := func(h driver.MemHandle) {
		t.Helper()
		_, r := s.onMemRelease(api, h)
		ok(r)
	}
	home, r := api.DevicePrimaryCtxRetain(0)
	ok(r)
	ok(api.CtxSetCurrent(home))
	at, r := s.onMemReserve(api, 4*size, 0, 0, 0)
	ok(r)

	h := create()
	release(h)
	used(0)

	for i := range driver.DevicePtr(2) { // as most programs do: mapped, then released
		h := create()
		ok(api.MemMap(at+i*size, size, 0, h, 0))
		release(h)
		used(uint64(i) + 1)
	}
	if _, r := s.onMemCreate(api, size, prop(1), 0); r != driver.ErrorOutOfMemory {
		t.Fatalf("beyond the quota, of memory that is mapped: %v", r)
	}
	h, r = s.onMemRetainHandle(api, at+size+100)
	ok(r)
	ok(api.MemUnmap(at, 2*size))
	used(1)
	ok(api.MemMap(at, size, 0, h, 0))
	ok(api.MemUnmap(at, size))
	used(1)
	release(h)
	used(0)

	h = create()
	m.aliasHandle(h+1000, h) // what was imported of the session's own
	release(h)
	used(1)
	m.noteWithin(7, h+1000)
	m.noteWithin(7, h+1000)
	m.forgetHandle(h + 1000)
	used(1)
	m.forgetWithin(7)
	used(0)

	for _, location := range []uint32{2, 3, 4} {
		if _, r := s.onMemCreate(api, size, prop(location), 0); r != driver.ErrorNotSupported {
			t.Errorf("memory of location %d: %v", location, r)
		}
	}
}
