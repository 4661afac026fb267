// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/wire"
)

const (
	maxRegion = 1 << 40  // bounds what a server can have a relay map
	minHeap   = 16 << 20 // of pinned memory
)

// regionSize is how large a region this machine, with so much memory, makes for a server that has one of size bytes:
// as large, but no more than half of the memory. The server's is large as its own memory is, and what a program pins
// beyond this machine's would end in the kernel killing somebody. The parts before the heap are as the server has them.
func regionSize(size, memory uint64) uint64 {
	half := memory / 2 &^ (wire.PageSize - 1)
	return min(size, max(half, wire.HeapOffset(size)+minHeap))
}

// machineMemory is the size of this machine's memory in bytes.
func machineMemory() uint64 {
	var s unix.Sysinfo_t
	if err := unix.Sysinfo(&s); err != nil {
		return maxRegion
	}
	return uint64(s.Totalram) * uint64(s.Unit)
}

// newRegion makes and maps the shared memory of a session. The file is for the program; the caller closes it,
// and unmaps the region.
func newRegion(size uint64) (region carry.Region, file *os.File, err error) {
	if file, err = memoryFile(); err != nil {
		return nil, nil, fmt.Errorf("make shared memory: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	if err := file.Truncate(int64(size)); err != nil {
		return nil, nil, fmt.Errorf("make %d bytes of shared memory: %w", size, err)
	}
	// A program that made the file smaller would have the relay fault. Files in /dev/shm cannot be sealed.
	_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
		return nil, nil, fmt.Errorf("seal shared memory: %w", err)
	}
	b, err := unix.Mmap(int(file.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d bytes of shared memory: %w", size, err)
	}
	return b, file, nil
}

// memoryFile is a file in memory that has no name: a memfd, or where the kernel is too old for one (before
// 3.17) an unlinked file in /dev/shm.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("orion-relay", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err == nil {
		return os.NewFile(uintptr(fd), "orion-relay"), nil
	}
	if !errors.Is(err, unix.ENOSYS) {
		return nil, err
	}
	return unlinkedFile("/dev/shm")
}

func unlinkedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".orion-relay-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// discard gives memory back that a program has freed; it reads as zero afterwards.
func discard(f *os.File, offset, n uint64) {
	_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(offset), int64(n))
}
