// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// TestAlias: registered memory gets a second address where nothing lies, and loses it with its registration.
func TestAlias(t *testing.T) {
	t.Parallel()
	reg := anyRegion(t)
	s, f := fakeServer(reg)
	defer close(s.waiters.jobs)
	const at = 0x5300_0000_0000
	host, bytes := driver.HostPtr(uint64(reg.base)+wire.HeapOffset(reg.size)), uint64(8192)
	if _, r := s.onHostAlias(f, host, bytes, at); r == driver.Success {
		t.Fatal("memory that is not registered gets a second address")
	}
	if _, r := s.onHostAlloc(f, host, bytes, 0); r != driver.Success {
		t.Fatal(r)
	}
	for _, wrong := range []uint64{0, 4096, at + 1, 1 << 47, ^uint64(4095), uint64(reg.base)} {
		if _, r := s.onHostAlias(f, host, bytes, wrong); r == driver.Success {
			t.Errorf("%#x is taken for a second address", wrong)
		}
	}
	if _, r := s.onHostAlias(f, host, 4096, at); r == driver.Success {
		t.Error("a part of a registration gets a second address")
	}
	p, r := s.onHostAlias(f, host, bytes, at)
	if r != driver.Success || p != at {
		t.Fatalf("onHostAlias = %#x, %v", uint64(p), r)
	}
	if _, r := s.onHostAlias(f, host, bytes, at+1<<20); r == driver.Success {
		t.Error("memory gets a third address")
	}
	*reg.bytePointer(uint64(host) - uint64(reg.base) + 5000) = 77
	second := region{base: at, size: bytes}
	if got := *second.bytePointer(5000); got != 77 {
		t.Errorf("the second address shows %d, want 77", got)
	}
	if r := s.onHostFree(f, host, bytes); r != driver.Success {
		t.Fatal(r)
	}
	if len(s.memory.alias) != 0 {
		t.Error("the second address outlives its memory")
	}
	if reserve(span{at, at + bytes}, fixedNoReplace) {
		t.Error("others' memory may come to lie where the second address was")
	}
	if err := reg.mapAlias(&s.memory.vacant, at-4096, host, bytes); err != nil {
		t.Errorf("the client does not get its address again: %v", err)
	}
	s.memory.vacant.leave(at-4096, bytes)
	f.tidy()
}
