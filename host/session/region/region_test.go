// SPDX-License-Identifier: Apache-2.0

package region

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/wire"
)

func TestCreateIsSealedAndSparse(t *testing.T) {
	t.Parallel()
	const size = 1 << 30
	f, err := Create("orion-test", size)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, n := range []int64{0, size / 2, size * 2} {
		if err := f.Truncate(n); !errors.Is(err, unix.EPERM) {
			t.Errorf("truncate to %d bytes = %v, want EPERM", n, err)
		}
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); !errors.Is(err, unix.EPERM) {
		t.Errorf("one more seal = %v, want EPERM: a client could stop the worker from writing", err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	if stat.Size != size || stat.Blocks != 0 {
		t.Errorf("%d bytes in %d blocks, want %d in none", stat.Size, stat.Blocks, size)
	}
	if _, err := f.WriteAt([]byte("x"), size-1); err != nil {
		t.Errorf("write the last byte: %v", err)
	}
}

func TestCreateRefusesSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{0, 1, wire.MinRegionSize - 4096, 1<<30 + 1, 1 << 47, ^uint64(0)} {
		if f, err := Create("orion-test", size); err == nil {
			f.Close()
			t.Errorf("Create(%d) succeeded", size)
		}
	}
}

func TestSizeFor(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, c := range []struct{ memory, want uint64 }{
		{512 << 20, gib}, {2 * gib, gib}, {16 * gib, 8 * gib}, {24 * gib, 8 * gib}, {31 * gib, 8 * gib},
		{128 * gib, 64 * gib}, {2048 * gib, 64 * gib},
	} {
		if got := sizeFor(c.memory); got != c.want {
			t.Errorf("sizeFor(%d MiB) = %d MiB, want %d MiB", c.memory>>20, got>>20, c.want>>20)
		}
	}
	if size, err := DefaultSize(); err != nil || size < gib || size&(size-1) != 0 {
		t.Errorf("DefaultSize() = %d, %v", size, err)
	}
}
