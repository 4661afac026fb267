// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// region is the mapped shared memory. The client may change any byte at any time.
type region struct {
	base   uintptr
	size   uint64
	fd     int
	offset uint64                      // of the region in the file
	joined map[driver.HostPtr]struct{} // pages that are mapped as others are; the ring goroutine's

	answered func()              // told of each answer that this process gives, and of each request; may be nil
	lost     func(driver.Result) // told of each answer which says that a context is lost; may be nil
}

// mapRegion maps size bytes of fd from offset on at base, and nowhere else: addresses in it mean the same to
// client and worker.
func mapRegion(fd int, base, offset, size uint64) (*region, error) {
	var file unix.Stat_t
	if err := unix.Fstat(fd, &file); err != nil {
		return nil, fmt.Errorf("map shared memory: %w", err)
	}
	if end := uint64(file.Size); size > end || offset > end-size {
		return nil, fmt.Errorf("map shared memory: its file has %d bytes, the region lies at %d and has %d", end, offset, size)
	}
	p, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(base), uintptr(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED|fixedNoReplace, uintptr(fd), uintptr(offset))
	if errno != 0 {
		return nil, fmt.Errorf("map %d bytes of shared memory at %#x: %w", size, base, errno)
	}
	if p != uintptr(base) {
		return nil, fmt.Errorf("map shared memory: the kernel chose %#x instead of %#x", p, base)
	}
	return &region{base: uintptr(base), size: size, fd: fd, offset: offset}, nil
}

func (r *region) pointer(offset uint64) unsafe.Pointer {
	a := r.base + uintptr(offset)
	return *(*unsafe.Pointer)(unsafe.Pointer(&a))
}

func (r *region) word32(offset uint64) *uint32 { return (*uint32)(r.pointer(offset)) }
func (r *region) word64(offset uint64) *uint64 { return (*uint64)(r.pointer(offset)) }

func (r *region) load32(offset uint64) uint32     { return atomic.LoadUint32(r.word32(offset)) }
func (r *region) store32(offset uint64, v uint32) { atomic.StoreUint32(r.word32(offset), v) }

// ringHas says whether the ring has a command that the worker has not begun.
func (r *region) ringHas() bool {
	return atomic.LoadUint64(r.word64(wire.RingTail)) != atomic.LoadUint64(r.word64(wire.RingHead))
}

// slots is the place of the reply slots and the events' words, into which GPUs write, and how large they are.
func (r *region) slots() (driver.HostPtr, uint64) {
	return driver.HostPtr(uint64(r.base) + wire.SlotsOffset), wire.RingOffset - wire.SlotsOffset
}

// bytes is a window of the region. Callers copy from it once and use the copy.
func (r *region) bytes(offset, n uint64) []byte {
	return unsafe.Slice((*byte)(r.pointer(offset)), n)
}

// contains says whether n bytes at address lie in the part of the region that a command may name: staging
// and heap, not the control structures.
func (r *region) contains(address driver.HostPtr, n uint64) bool {
	first := uint64(r.base) + wire.StageOffset
	end := uint64(r.base) + r.size
	a := uint64(address)
	return a >= first && a <= end && n <= end-a
}

// window is the memory at an address for which contains holds.
func (r *region) window(address driver.HostPtr, n uint64) []byte {
	return r.bytes(uint64(address)-uint64(r.base), n)
}

const pageBytes = 4096

// discard gives the memory behind a range back to the system; it reads as zero afterwards.
func (r *region) discard(address driver.HostPtr, n uint64) {
	from := (uint64(address) - uint64(r.base) + pageBytes - 1) &^ (pageBytes - 1)
	to := (uint64(address) - uint64(r.base) + n) &^ (pageBytes - 1)
	if from < to {
		_ = unix.Fallocate(r.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(r.offset+from), int64(to-from))
	}
}

// join maps one page of the region where another is, until part ends that.
func (r *region) join(slot, other driver.HostPtr) error {
	const most = 4096
	if len(r.joined) >= most {
		return fmt.Errorf("map a page of shared memory at %#x too: %d pages are mapped so", uint64(slot), most)
	}
	if err := mapFixed(r.fd, uint64(slot), pageBytes, r.offset+uint64(other)-uint64(r.base)); err != nil {
		return fmt.Errorf("map a page of shared memory at %#x too: %w", uint64(slot), err)
	}
	if r.joined == nil {
		r.joined = map[driver.HostPtr]struct{}{}
	}
	r.joined[slot] = struct{}{}
	return nil
}

// part ends what join did to pages of a range. A page that cannot be mapped again stays, of the client's own memory too.
func (r *region) part(address driver.HostPtr, n uint64) {
	for slot := range r.joined {
		if slot >= address && uint64(slot-address) < n {
			_ = mapFixed(r.fd, uint64(slot), pageBytes, r.offset+uint64(slot)-uint64(r.base))
			delete(r.joined, slot)
		}
	}
}

// mapAlias maps a part of the region a second time, at the client's address of it, if nothing lies there.
func (r *region) mapAlias(vacant *vacancies, at uint64, host driver.HostPtr, n uint64) error {
	if !r.contains(host, n) || !vacant.take(at, n) {
		return fmt.Errorf("map %d bytes of shared memory at %#x too: not a free address of a program's", n, at)
	}
	offset := r.offset + uint64(host) - uint64(r.base)
	if err := mapFixed(r.fd, at, n, offset); err != nil {
		vacant.leave(at, n)
		return fmt.Errorf("map shared memory at %#x too: %w", at, err)
	}
	return nil
}

// mapFixed maps a part of a file in place of what is at an address.
func mapFixed(fd int, at, n, offset uint64) error {
	_, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(at), uintptr(n), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED|unix.MAP_FIXED, uintptr(fd), uintptr(offset))
	if errno != 0 {
		return errno
	}
	return nil
}

// unmap takes a mapping away.
func unmap(at, n uint64) {
	_, _, _ = unix.Syscall(unix.SYS_MUNMAP, uintptr(at), uintptr(n), 0)
}

func (r *region) bytePointer(offset uint64) *byte { return (*byte)(r.pointer(offset)) }
