// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Granularity of allocations, in bytes; every one begins at a multiple of it.
	Granularity = 256
	// PageSize is the granularity of virtual memory management, in bytes.
	PageSize = 2 << 20

	reservation  = 1 << 40
	firstAddress = 0x7100_0000_0000
	commitStep   = 64 << 20
	hostPage     = 4096
)

// span is free address space.
type span struct{ lo, hi uint64 }

// Device is the memory of one GPU. It is safe for concurrent use.
type Device struct {
	space     *Space
	index     int
	total     uint64
	base      uint64
	fd        int // the memory's file: other processes may map parts of it
	mu        sync.Mutex
	free      []span // sorted, never adjacent
	committed uint64 // memory is readable and writable from base up to here
	used      uint64
}

// NewDevice reserves the address space of GPU index, which has total bytes. Close gives it back.
func NewDevice(s *Space, index int, total uint64) (*Device, error) {
	if total > reservation/2 {
		return nil, fmt.Errorf("reserve memory of GPU %d: %d bytes are more than %d", index, total, uint64(reservation/2))
	}
	fd, err := newFile(reservation)
	if err != nil {
		return nil, fmt.Errorf("reserve memory of GPU %d: %w", index, err)
	}
	flags := unix.MAP_SHARED | unix.MAP_NORESERVE
	want := uint64(firstAddress) + uint64(index)*reservation
	p, err := unix.MmapPtr(fd, 0, Pointer(want), reservation, unix.PROT_NONE, flags|unix.MAP_FIXED_NOREPLACE)
	if err != nil { // the fixed range is taken, as by another driver of this process
		p, err = unix.MmapPtr(fd, 0, nil, reservation, unix.PROT_NONE, flags)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("reserve memory of GPU %d: %w", index, err)
	}
	base := uint64(uintptr(p))
	return &Device{space: s, index: index, total: total, base: base, fd: fd, committed: base,
		free: []span{{base, base + reservation}}}, nil
}

// newFile makes a file of n bytes without a name, which takes memory as it is written.
func newFile(n uint64) (int, error) {
	fd, err := unix.MemfdCreate("softgpu", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("make a file of memory: %w", err)
	}
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("size a file of memory: %w", err)
	}
	return fd, nil
}

// Close unmaps the memory. No kernel may run.
func (d *Device) Close() error {
	return errors.Join(unix.MunmapPtr(Pointer(d.base), reservation), unix.Close(d.fd))
}

// Info returns the free and total bytes.
func (d *Device) Info() (free, total uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.total - d.used, d.total
}

// Alloc makes n bytes live, like template in all but its addresses. Errors match ErrNoMemory.
func (d *Device) Alloc(n uint64, template Range) (uint64, error) {
	if n == 0 || n > d.total {
		return 0, fmt.Errorf("%w: %d bytes of %d asked", ErrNoMemory, n, d.total)
	}
	size := (n + Granularity - 1) &^ (Granularity - 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if size > d.total-d.used {
		return 0, fmt.Errorf("%w: %d bytes asked, %d free", ErrNoMemory, n, d.total-d.used)
	}
	i := slices.IndexFunc(d.free, func(s span) bool { return s.hi-s.lo >= size })
	if i < 0 {
		return 0, fmt.Errorf("%w: no gap of %d bytes", ErrNoMemory, n)
	}
	lo := d.free[i].lo
	if err := d.commit(lo + size); err != nil {
		return 0, err
	}
	template.Lo, template.Hi, template.Device = lo, lo+n, d.index
	if err := d.space.Add(template); err != nil {
		return 0, err
	}
	d.take(i, lo, lo+size)
	d.used += size
	return lo, nil
}

// Free ends the allocation that begins at addr and says whether there was one.
func (d *Device) Free(addr uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.space.Find(addr)
	if !ok || r.Lo != addr || r.Device != d.index {
		return false
	}
	d.space.Remove(addr)
	size := (r.Hi - r.Lo + Granularity - 1) &^ (Granularity - 1)
	d.used -= size
	d.give(span{addr, addr + size})
	// Give whole pages back to the host.
	if lo, hi := (addr+hostPage-1)&^(hostPage-1), (addr+size)&^(hostPage-1); hi > lo {
		_ = unix.Madvise(Bytes(lo, hi-lo), unix.MADV_REMOVE)
	}
	return true
}

func (d *Device) commit(end uint64) error {
	if end <= d.committed {
		return nil
	}
	end = min((end-d.base+commitStep-1)/commitStep*commitStep, reservation) + d.base
	if err := unix.Mprotect(unsafe.Slice((*byte)(Pointer(d.committed)), end-d.committed), unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("%w: commit %d bytes: %w", ErrNoMemory, end-d.committed, err)
	}
	d.committed = end
	return nil
}

// take removes [lo, hi) from free span i, which holds it.
func (d *Device) take(i int, lo, hi uint64) {
	s := d.free[i]
	switch {
	case s.lo == lo && s.hi == hi:
		d.free = slices.Delete(d.free, i, i+1)
	case s.lo == lo:
		d.free[i].lo = hi
	case s.hi == hi:
		d.free[i].hi = lo
	default:
		d.free[i].hi = lo
		d.free = slices.Insert(d.free, i+1, span{hi, s.hi})
	}
}

// give makes a span free and joins it with its neighbours.
func (d *Device) give(s span) {
	i, _ := slices.BinarySearchFunc(d.free, s.lo, func(f span, lo uint64) int {
		if f.lo < lo {
			return -1
		}
		return 1
	})
	d.free = slices.Insert(d.free, i, s)
	if i+1 < len(d.free) && d.free[i].hi == d.free[i+1].lo {
		d.free[i].hi = d.free[i+1].hi
		d.free = slices.Delete(d.free, i+1, i+2)
	}
	if i > 0 && d.free[i-1].hi == d.free[i].lo {
		d.free[i-1].hi = d.free[i].hi
		d.free = slices.Delete(d.free, i, i+1)
	}
}
