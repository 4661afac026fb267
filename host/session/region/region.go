// SPDX-License-Identifier: Apache-2.0

// Package region makes the shared memory of a session.
package region

import (
	"errors"
	"fmt"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/wire"
)

// Bounds of DefaultSize, in bytes.
const (
	smallest = 1 << 30
	largest  = 64 << 30
)

// Create returns an anonymous file of size bytes that can neither shrink nor grow. Memory is used only where
// it is written. The caller closes the file; the memory lives until the last mapping and descriptor are gone.
//
// The seals protect the worker: a client that truncates a region would kill it with SIGBUS.
func Create(name string, size uint64) (*os.File, error) {
	if err := Check(size); err != nil {
		return nil, fmt.Errorf("create region: %w", err)
	}
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("create region: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		f.Close()
		return nil, fmt.Errorf("size region to %d bytes: %w", size, err)
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal region: %w", err)
	}
	return f, nil
}

// Dup returns the file of a region of somebody else's once more. The caller closes it.
func Dup(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("duplicate region: %w", err)
	}
	fd := -1
	if e := raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 3) }); e != nil {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("duplicate region: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Check says whether a region can have this size.
func Check(size uint64) error {
	if size < wire.MinRegionSize || size >= 1<<47 || size%uint64(os.Getpagesize()) != 0 {
		return fmt.Errorf("size is %d bytes: want whole pages, at least %d MiB", size, (wire.MinRegionSize+1<<20-1)>>20)
	}
	return nil
}

// DefaultSize returns the size of a region on this machine: half of its memory, since pinned memory of the
// program lies in the region, as a power of two from 1 GiB to 64 GiB.
func DefaultSize() (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("read memory size: %w", err)
	}
	return sizeFor(info.Totalram * uint64(info.Unit)), nil
}

func sizeFor(memory uint64) uint64 {
	half := min(max(memory/2, smallest), largest)
	return 1 << (bits.Len64(half) - 1)
}
