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
	if _, r := s.onHostAlias(f, host, 0, bytes, at); r == driver.Success {
		t.Fatal("memory that is not registered gets a second address")
	}
	if _, r := s.onHostAlloc(f, host, bytes, 0); r != driver.Success {
		t.Fatal(r)
	}
	for _, wrong := range []uint64{0, 4096, at + 1, 1 << 47, ^uint64(4095), uint64(reg.base)} {
		if _, r := s.onHostAlias(f, host, 0, bytes, wrong); r == driver.Success {
			t.Errorf("%#x is taken for a second address", wrong)
		}
	}
	for _, wrong := range [][2]uint64{{0, bytes + 4096}, {4096, bytes}, {100, 4096}, {0, 100}, {bytes, 0}, {^uint64(4095), 8192}} {
		if _, r := s.onHostAlias(f, host, wrong[0], wrong[1], at); r == driver.Success {
			t.Errorf("%d bytes behind %d get a second address", wrong[1], wrong[0])
		}
	}
	p, r := s.onHostAlias(f, host, 0, bytes, at)
	if r != driver.Success || p != at {
		t.Fatalf("onHostAlias = %#x, %v", uint64(p), r)
	}
	if _, r := s.onHostAlias(f, host, 0, bytes, at+1<<20); r == driver.Success {
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

// TestJoin: a page of what is about to be registered is one that is already, until it is registered no more.
func TestJoin(t *testing.T) {
	t.Parallel()
	reg := anyRegion(t)
	s, f := fakeServer(reg)
	defer close(s.waiters.jobs)
	heap := wire.HeapOffset(reg.size)
	first := driver.HostPtr(uint64(reg.base) + heap)
	second := first + 1<<20
	if r := s.onHostJoin(f, second, first); r == driver.Success {
		t.Fatal("a page that is not registered is shared")
	}
	if _, r := s.onHostAlloc(f, first, 8192, 0); r != driver.Success {
		t.Fatal(r)
	}
	for _, slot := range []driver.HostPtr{first, first + 4096, second + 1, driver.HostPtr(uint64(reg.base) + wire.StageOffset), driver.HostPtr(reg.base), 0, 1 << 47} {
		if r := s.onHostJoin(f, slot, first); r == driver.Success {
			t.Errorf("%#x becomes another page", uint64(slot))
		}
	}
	*reg.bytePointer(heap + 1<<20) = 9
	if r := s.onHostJoin(f, second, first+4096); r != driver.Success {
		t.Fatal(r)
	}
	if _, r := s.onHostAlloc(f, second, 8192, 0); r != driver.Success {
		t.Fatal(r)
	}
	*reg.bytePointer(heap + 4096 + 5) = 77
	if got := *reg.bytePointer(heap + 1<<20 + 5); got != 77 {
		t.Errorf("the page shows %d, want 77", got)
	}
	const at = 0x5310_0000_0000
	if p, r := s.onHostAlias(f, second, 4096, 4096, at+4096); r != driver.Success || p != at+4096 {
		t.Errorf("onHostAlias of a part = %#x, %v", uint64(p), r)
	}
	if r := s.onHostFree(f, second, 8192); r != driver.Success {
		t.Fatal(r)
	}
	if got := *reg.bytePointer(heap + 1<<20 + 5); got != 0 || len(reg.joined) != 0 {
		t.Errorf("the page shows %d in the end, %d pages are shared", got, len(reg.joined))
	}
	if got := *reg.bytePointer(heap + 4096 + 5); got != 77 {
		t.Errorf("the page that was shared shows %d, want 77", got)
	}
	if r := s.onHostFree(f, first, 8192); r != driver.Success {
		t.Fatal(r)
	}
	f.tidy()
}
