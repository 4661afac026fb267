// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"os"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// TestManaged: the managed variables of machine code get a place in pinned memory of the region and nowhere else, have
// their first values there, and lose it with the memory.
func TestManaged(t *testing.T) {
	t.Parallel()
	elf, err := os.ReadFile("../driver/managed/testdata/cuda12.4-sm90.cubin")
	if err != nil {
		t.Fatal(err)
	}
	reg := anyRegion(t)
	s, f := fakeServer(reg)
	defer close(s.waiters.jobs)
	s.cfg.Backend = "cuda"
	stage := driver.HostPtr(uint64(reg.base) + wire.StageOffset)
	host := driver.HostPtr(uint64(reg.base) + wire.HeapOffset(reg.size))
	send := func(load uint32) uint64 {
		t.Helper()
		const half = 1000
		copy(reg.window(stage, uint64(len(elf))), elf)
		if need, r := s.onImageAppend(f, uint64(len(elf)), stage, half, load); r != driver.Success || need != 0 {
			t.Fatal(need, r)
		}
		need, r := s.onImageAppend(f, uint64(len(elf)), stage+half, uint64(len(elf)-half), load)
		if r != driver.Success {
			t.Fatal(r)
		}
		return need
	}
	if need := send(0); need != 0 {
		t.Errorf("an image to be linked needs %d bytes", need)
	}
	need := send(1) // the one before was never asked for
	if need < 44 {
		t.Fatalf("an int and five doubles need %d bytes", need)
	}
	if r := s.onImagePlace(f, host, need, 0); r == driver.Success {
		t.Error("memory that is not pinned will do")
	}
	if _, r := s.onHostAlloc(f, host, 4096, 0); r != driver.Success {
		t.Fatal(r)
	}
	for at, n := range map[driver.HostPtr]uint64{host + 4096: need, host: need - 1, host + 16: need, 0: need} {
		if r := s.onImagePlace(f, at, n, 0); r == driver.Success {
			t.Errorf("%d bytes at %#x will do", n, uint64(at))
		}
	}
	if r := s.onImagePlace(f, host, need, 0); r != driver.Success {
		t.Fatal(r)
	}
	if r := s.onImagePlace(f, host, need, 0); r == driver.Success {
		t.Error("an image is placed twice")
	}
	if string(s.takeImage()) == string(elf) {
		t.Error("the image that is loaded has not changed")
	}
	p, n, r := s.onManagedVariable(f, host, "counter")
	if r != driver.Success || n != 4 || driver.HostPtr(p) < host || driver.HostPtr(p) > host+4092 {
		t.Fatalf("the counter has %d bytes at %#x: %v", n, uint64(p), r)
	}
	if got := *reg.bytePointer(uint64(p) - uint64(reg.base)); got != 41 {
		t.Errorf("the counter is %d, want 41", got)
	}
	if _, _, r := s.onManagedVariable(f, host, "plain"); r != driver.ErrorNotFound {
		t.Errorf("a variable of the device alone: %v", r)
	}
	if r := s.onHostFree(f, host, 4096); r != driver.Success {
		t.Fatal(r)
	}
	if _, _, r := s.onManagedVariable(f, host, "counter"); r == driver.Success {
		t.Error("variables outlive their memory")
	}
}
