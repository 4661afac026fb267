// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
)

func (r *rig) newPool() driver.MemPool {
	r.Helper()
	props := make([]byte, 88)
	binary.LittleEndian.PutUint32(props, 1)
	binary.LittleEndian.PutUint32(props[8:], 1)
	p, res := r.MemPoolCreate(props)
	r.ok(res)
	return p
}

func (r *rig) poolAttribute(p driver.MemPool, n uint32) uint64 {
	r.Helper()
	b := make([]byte, 8)
	r.ok(r.MemPoolGetAttribute(p, n, b))
	return binary.LittleEndian.Uint64(b)
}

// TestPoolKeeps: what is freed stays the pool's until a wait, a trim or scarcity, and is used again before.
func TestPoolKeeps(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	free, total, _ := r.MemGetInfo()
	p := r.newPool()
	alloc := func(n uint64) driver.DevicePtr {
		t.Helper()
		a, res := r.MemAllocFromPoolAsync(n, p, 0)
		r.ok(res)
		return a
	}
	state := func(when string, used, reserved uint64) {
		t.Helper()
		if u, v := r.poolAttribute(p, poolUsedNow), r.poolAttribute(p, poolReservedNow); u != used || v != reserved {
			t.Fatalf("%s: %d bytes are used and %d reserved, want %d and %d", when, u, v, used, reserved)
		}
		if now, _, _ := r.MemGetInfo(); now != free-reserved {
			t.Fatalf("%s: the GPU has %d bytes free", when, now)
		}
	}
	wait := func() { r.ok(r.StreamSynchronize(0)) }
	threshold := func(n uint64) {
		r.ok(r.MemPoolSetAttribute(p, poolThreshold, binary.LittleEndian.AppendUint64(nil, n)))
	}

	a, b := alloc(1000), alloc(3*chunkBytes)
	state("two allocations", 1000+3*chunkBytes, 4*chunkBytes)
	r.ok(r.MemFreeAsync(b, 0))
	wait()
	state("after a wait", 1000, chunkBytes)
	threshold(math.MaxUint64)
	b = alloc(chunkBytes)
	r.ok(r.MemFreeAsync(a, 0))
	r.ok(r.MemFreeAsync(b, 0))
	wait()
	state("kept", 0, 2*chunkBytes)
	if again := alloc(500); again != a {
		t.Errorf("memory that is kept is not used again: %#x, want %#x", again, a)
	}
	r.ok(r.MemPoolTrimTo(p, chunkBytes+1))
	state("trimmed to more than a chunk", 500, 2*chunkBytes)
	r.ok(r.MemPoolTrimTo(p, 0))
	state("trimmed", 500, chunkBytes)
	if most := r.poolAttribute(p, poolReservedHigh); most != 4*chunkBytes {
		t.Errorf("the most reserved was %d", most)
	}

	// An allocation elsewhere has what is kept.
	b = alloc(total / 2)
	r.ok(r.MemFreeAsync(b, 0))
	wait()
	r.ok(r.MemFree(r.alloc(total / 4 * 3)))
	state("after another's allocation", 500, chunkBytes)

	// The memory of a pool that is destroyed goes with its last allocation.
	r.ok(r.MemPoolDestroy(p))
	if now, _, _ := r.MemGetInfo(); now != free-chunkBytes {
		t.Errorf("%d bytes are free, want %d", now, free-chunkBytes)
	}
	r.ok(r.MemFree(a))
	if now, _, _ := r.MemGetInfo(); now != free {
		t.Errorf("%d bytes are free at the end, %d were before", now, free)
	}
	r.want(r.MemPoolTrimTo(p, 0), driver.ErrorInvalidHandle)
	if _, res := r.MemAllocAsync(math.MaxUint64, 0); res != driver.ErrorOutOfMemory {
		t.Errorf("an allocation of all there is: %v", res)
	}
}
