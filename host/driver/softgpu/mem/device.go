// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"errors"
	"fmt"
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

// Device is the memory of one GPU. It is safe for concurrent use.
type Device struct {
	space     *Space
	index     int
	total     uint64
	base      uint64
	fd        int // the memory's file: other processes may map parts of it
	mu        sync.Mutex
	free      Spans
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
		free: Spans{{base, base + reservation}}}, nil
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
	d.mu.Lock()
	defer d.mu.Unlock()
	lo, err := d.hold(n)
	if err != nil {
		return 0, err
	}
	template.Lo, template.Hi, template.Device = lo, lo+n, d.index
	if err := d.space.Add(template); err != nil {
		d.release(lo, n)
		return 0, err
	}
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
	d.release(addr, r.Hi-r.Lo)
	return true
}

// Hold takes n bytes that are not live: the caller makes pieces of them so. Errors match ErrNoMemory.
func (d *Device) Hold(n uint64) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hold(n)
}

// Release gives back what Hold has given. Nothing of it is live.
func (d *Device) Release(addr, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.release(addr, n)
}

func (d *Device) hold(n uint64) (uint64, error) {
	if n == 0 || n > d.total {
		return 0, fmt.Errorf("%w: %d bytes of %d asked", ErrNoMemory, n, d.total)
	}
	size := whole(n)
	if size > d.total-d.used {
		return 0, fmt.Errorf("%w: %d bytes asked, %d free", ErrNoMemory, n, d.total-d.used)
	}
	lo, ok := d.free.Take(size)
	if !ok {
		return 0, fmt.Errorf("%w: no gap of %d bytes", ErrNoMemory, n)
	}
	if err := d.commit(lo + size); err != nil {
		d.free.Give(lo, size)
		return 0, err
	}
	d.used += size
	return lo, nil
}

func (d *Device) release(addr, n uint64) {
	size := whole(n)
	d.used -= size
	d.free.Give(addr, size)
	// Give whole pages back to the host.
	if lo, hi := (addr+hostPage-1)&^(hostPage-1), (addr+size)&^(hostPage-1); hi > lo {
		_ = unix.Madvise(Bytes(lo, hi-lo), unix.MADV_REMOVE)
	}
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
