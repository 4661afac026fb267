// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Block is memory of a GPU without an address; it can be mapped at several. It is safe for concurrent use by
// way of its Device only.
type Block struct {
	Bytes uint64
	fd    int
	other bool // of another process, which has paid for it
}

// NewBlock takes n bytes, a multiple of PageSize, of the GPU's memory.
func (d *Device) NewBlock(n uint64) (*Block, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n == 0 || n%PageSize != 0 || n > d.total-d.used {
		return nil, fmt.Errorf("%w: a block of %d bytes asked, %d free", ErrNoMemory, n, d.total-d.used)
	}
	fd, err := newFile(n)
	if err != nil {
		return nil, fmt.Errorf("%w: make a block: %w", ErrNoMemory, err)
	}
	d.used += n
	return &Block{Bytes: n, fd: fd}, nil
}

// File is a new descriptor of the block's file, for another process.
func (b *Block) File() (*os.File, error) { return duplicate(b.fd) }

// File is a new descriptor of the GPU's memory, and the offset of an address in it.
func (d *Device) File(addr uint64) (*os.File, uint64, error) {
	f, err := duplicate(d.fd)
	return f, addr - d.base, err
}

// Offset is where an address lies in the GPU's file.
func (d *Device) Offset(addr uint64) uint64 { return addr - d.base }

func duplicate(fd int) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("share memory: %w", err)
	}
	return os.NewFile(uintptr(n), "memory of a GPU"), nil
}

// OtherBlock is the first n bytes of another process's memory. The caller keeps its file.
func OtherBlock(f *os.File, n uint64) (*Block, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("take memory: %w", err)
	}
	if n == 0 || info.Size() < 0 || n > uint64(info.Size()) {
		return nil, fmt.Errorf("take memory: %d bytes of a file of %d", n, info.Size())
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("take memory: %w", err)
	}
	return &Block{Bytes: n, fd: fd, other: true}, nil
}

// FreeBlock gives a block back. Its mappings must be gone.
func (d *Device) FreeBlock(b *Block) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !b.other {
		d.used -= b.Bytes
	}
	unix.Close(b.fd)
}

// Reserve takes n bytes of address space, a multiple of PageSize, at a multiple of align, a power of two. It
// holds no memory.
func (d *Device) Reserve(n, align uint64) (uint64, error) {
	align = max(align, PageSize)
	d.mu.Lock()
	defer d.mu.Unlock()
	if n == 0 || n%PageSize != 0 || align&(align-1) != 0 {
		return 0, fmt.Errorf("%w: reserve %d bytes at multiples of %d", ErrNoMemory, n, align)
	}
	for i, s := range slices.Backward(d.free) { // from the end: allocations grow from the beginning
		if s.hi-s.lo < n {
			continue
		}
		if lo := (s.hi - n) &^ (align - 1); lo >= s.lo && lo >= d.committed {
			d.free.take(i, lo, lo+n)
			return lo, nil
		}
	}
	return 0, fmt.Errorf("%w: no gap of %d bytes", ErrNoMemory, n)
}

// Unreserve gives address space back. Nothing may be mapped in it.
func (d *Device) Unreserve(addr, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free.Give(addr, n)
}

// Map puts n bytes of a block from an offset at an address within a reservation. Kernels reach it when it has
// been added to the space.
func (d *Device) Map(addr uint64, b *Block, offset, n uint64) error {
	_, err := unix.MmapPtr(b.fd, int64(offset), Pointer(addr), uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("map a block: %w", err)
	}
	return nil
}

// Unmap makes n bytes at an address plain reservation again.
func (d *Device) Unmap(addr, n uint64) error {
	_, err := unix.MmapPtr(d.fd, int64(addr-d.base), Pointer(addr), uintptr(n), unix.PROT_NONE, unix.MAP_SHARED|unix.MAP_NORESERVE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("unmap a block: %w", err)
	}
	return nil
}
