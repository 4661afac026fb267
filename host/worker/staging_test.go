// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"maps"
	"slices"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// pinDriver knows what is registered, and in which context and mode of capture that was done.
type pinDriver struct {
	*fakeDriver
	pinned  map[driver.HostPtr]uint64
	current driver.Context
	mode    uint32
	wrong   bool
	refuse  bool
}

func (d *pinDriver) CtxSetCurrent(c driver.Context) driver.Result {
	d.current = c
	return driver.Success
}

func (d *pinDriver) ThreadExchangeStreamCaptureMode(mode uint32) (uint32, driver.Result) {
	before := d.mode
	d.mode = mode
	return before, driver.Success
}

func (d *pinDriver) MemHostRegister(p driver.HostPtr, n uint64, _ uint32) driver.Result {
	const home, relaxed = 1, 2
	d.wrong = d.wrong || d.current != home || d.mode != relaxed || d.pinned[p] != 0
	if d.refuse {
		return driver.ErrorOutOfMemory
	}
	d.pinned[p] = n
	return driver.Success
}

func (d *pinDriver) MemHostUnregister(p driver.HostPtr) driver.Result {
	delete(d.pinned, p)
	return driver.Success
}

// TestStaging: copies have the parts of staging registered that they use, once, in the home context, also while a
// stream is captured, and then are again in their own context and mode.
func TestStaging(t *testing.T) {
	t.Parallel()
	const context, global = driver.Context(7), 0
	reg := anyRegion(t)
	s, f := fakeServer(reg)
	defer close(s.waiters.jobs)
	d := &pinDriver{fakeDriver: f, pinned: map[driver.HostPtr]uint64{}, mode: global}
	s.api, s.home, s.current, s.captures = d, 1, context, map[driver.Stream]bool{9: true}
	d.current = context

	size := wire.StageBytes(reg.size)
	part := wire.StagePart(size)
	begin := uint64(reg.base) + wire.StageOffset
	has := func(what string, parts ...uint64) {
		t.Helper()
		want := map[driver.HostPtr]uint64{}
		for _, i := range parts {
			want[driver.HostPtr(begin+i*part)] = min(part, size-i*part)
		}
		if !maps.Equal(d.pinned, want) {
			t.Errorf("%s: registered are %v, want %v", what, slices.Sorted(maps.Keys(d.pinned)), slices.Sorted(maps.Keys(want)))
		}
		if d.wrong || d.current != context || d.mode != global {
			t.Errorf("%s: registered in context %v, mode %d, or twice", what, d.current, d.mode)
		}
	}
	last := (size - 1) / part
	copies := func(from, n uint64) { s.onCopyInRegion(d, 0x1000, driver.HostPtr(begin+from), n, 0) }
	copies(5, 0)
	has("a copy of nothing")
	copies(part-1, 1)
	copies(0, 1)
	has("the first part", 0)
	copies(2*part-1, 2)
	has("across parts", 0, 1, 2)
	copies(size, 100)
	has("the heap", 0, 1, 2)
	copies(size-1, 100)
	has("into the heap", 0, 1, 2, last)
	s.onWriteFlag(d, 0, driver.HostPtr(begin+4*part), 1)
	has("a flag", 0, 1, 2, 4, last)
	s.unstage()
	has("after a reset")
	copies(part, 1)
	has("again", 1)
	d.refuse = true
	if r := s.onCopyInRegion(d, 0x1000, driver.HostPtr(begin), 1, 0); r != driver.Success {
		t.Errorf("a copy from staging that is not registered: %v", r)
	}
	d.refuse = false
	copies(0, 1)
	has("a part that was refused", 1)
}

// After a reset of the primary context, in which all of that was, the first part is registered anew, and the others as
// they are used.
func TestStagingAfterReset(t *testing.T) {
	t.Parallel()
	reg := anyRegion(t)
	s, f := fakeServer(reg)
	defer close(s.waiters.jobs)
	second, _ := reg.stagePart(1)
	s.onCopyInRegion(f, 0x1000, second, 1, 0)
	if s.staged != 1<<1 {
		t.Fatalf("staged is %b", s.staged)
	}
	s.onPrimaryReset(f, 0)
	if s.staged != 1<<0 || s.home == 0 || s.current != 0 {
		t.Errorf("after a reset staged is %b, home %d, current %d", s.staged, s.home, s.current)
	}
}
