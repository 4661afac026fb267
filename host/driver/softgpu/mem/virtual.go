// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Block is memory of a GPU without an address; it can be mapped at several. It is safe for concurrent use by
// way of its Device only.
type Block struct {
	Bytes uint64
	fd    int
}

// NewBlock takes n bytes, a multiple of PageSize, of the GPU's memory.
func (d *Device) NewBlock(n uint64) (*Block, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n == 0 || n%PageSize != 0 || n > d.total-d.used {
		return nil, fmt.Errorf("%w: a block of %d bytes asked, %d free", ErrNoMemory, n, d.total-d.used)
	}
	fd, err := unix.MemfdCreate("softgpu", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("%w: make a block: %w", ErrNoMemory, err)
	}
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%w: size a block: %w", ErrNoMemory, err)
	}
	d.used += n
	return &Block{Bytes: n, fd: fd}, nil
}

// FreeBlock gives a block back. Its mappings must be gone.
func (d *Device) FreeBlock(b *Block) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used -= b.Bytes
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
			d.take(i, lo, lo+n)
			return lo, nil
		}
	}
	return 0, fmt.Errorf("%w: no gap of %d bytes", ErrNoMemory, n)
}

// Unreserve gives address space back. Nothing may be mapped in it.
func (d *Device) Unreserve(addr, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.give(span{addr, addr + n})
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
	_, err := unix.MmapPtr(-1, 0, Pointer(addr), uintptr(n), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("unmap a block: %w", err)
	}
	return nil
}
