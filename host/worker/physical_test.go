// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu"
)

// TestPhysicalMemory: memory of cuMemCreate counts as long as the driver keeps it, whoever has been released.
func TestPhysicalMemory(t *testing.T) {
	t.Parallel()
	const size, quota = 2 << 20, 5 << 20
	drv, err := softgpu.New(softgpu.Config{Indices: []int{0}, MemoryBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	thread, err := drv.NewThread()
	if err != nil {
		t.Fatal(err)
	}
	defer thread.Close()
	cfg := Config{VGPUs: []VGPU{{MemoryBytes: quota}}}
	m := newMemory(cfg.VGPUs)
	s := newServer(cfg, anyRegion(t), drv, newCharging(thread, m), m)
	defer close(s.waiters.jobs)
	api := s.api
	ok := func(r driver.Result) {
		t.Helper()
		if r != driver.Success {
			t.Fatal(r)
		}
	}
	used := func(want uint64) {
		t.Helper()
		if m.used[0] != want*size {
			t.Fatalf("%d pieces count, want %d", m.used[0]/size, want)
		}
	}
	prop := func(location uint32) []byte { return append(words(1, uint64(location)), make([]byte, 16)...) }
	create := func() driver.MemHandle {
		t.Helper()
		h, r := s.onMemCreate(api, size, prop(1), 0)
		ok(r)
		return h
	}
	release := func(h driver.MemHandle) { t.Helper(); ok(s.onMemRelease(api, h)) }
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
