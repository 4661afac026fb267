// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"errors"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Host is the Range.Device of host memory.
const Host = -1

var (
	// ErrNoMemory means that a GPU has too little left.
	ErrNoMemory = errors.New("out of device memory")
	// ErrOverlap means that a range to be registered overlaps one that exists.
	ErrOverlap = errors.New("range overlaps one that is registered")
)

// Range is live memory, from Lo up to but not including Hi.
type Range struct {
	Lo, Hi  uint64
	Device  int // index of the GPU, or Host
	Managed bool
	Symbol  bool // of a module: not to be freed by itself
	ID      uint64
}

// Space is the address space of a process's kernels. It is safe for concurrent use.
type Space struct {
	mu    sync.Mutex // of writers
	table atomic.Pointer[[]Range]
	ids   uint64
}

// NewSpace returns an empty address space.
func NewSpace() *Space {
	s := &Space{}
	s.table.Store(&[]Range{})
	return s
}

// Find returns the live range that holds addr.
func (s *Space) Find(addr uint64) (Range, bool) {
	t := *s.table.Load()
	i := sort.Search(len(t), func(i int) bool { return t[i].Hi > addr })
	if i < len(t) && t[i].Lo <= addr {
		return t[i], true
	}
	return Range{}, false
}

// Holds says whether n bytes at addr are live. They may be of several ranges without a gap.
func (s *Space) Holds(addr, n uint64) bool {
	n = max(n, 1)
	return s.Live(addr, n) == n
}

// Live is how many of n bytes at addr are live before the first that is not.
func (s *Space) Live(addr, n uint64) uint64 {
	t := *s.table.Load()
	i := sort.Search(len(t), func(i int) bool { return t[i].Hi > addr })
	end := addr
	for ; i < len(t) && t[i].Lo <= end && end-addr < n; i++ {
		end = t[i].Hi
	}
	return min(end-addr, n)
}

// All returns the live ranges, in order of address. They must not be changed.
func (s *Space) All() []Range { return *s.table.Load() }

// Add makes a range live and gives it an ID.
func (s *Space) Add(r Range) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.table.Load()
	i := sort.Search(len(old), func(i int) bool { return old[i].Hi > r.Lo })
	if r.Hi <= r.Lo || i < len(old) && old[i].Lo < r.Hi {
		return ErrOverlap
	}
	s.ids++
	r.ID = s.ids
	t := make([]Range, 0, len(old)+1)
	t = append(append(append(t, old[:i]...), r), old[i:]...)
	s.table.Store(&t)
	return nil
}

// Remove ends the range that begins at lo and returns it.
func (s *Space) Remove(lo uint64) (Range, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.table.Load()
	i := sort.Search(len(old), func(i int) bool { return old[i].Lo >= lo })
	if i == len(old) || old[i].Lo != lo {
		return Range{}, false
	}
	r := old[i]
	t := slices.Delete(slices.Clone(old), i, i+1)
	s.table.Store(&t)
	return r, true
}

// Pointer is the memory at a device address. The caller has checked that it is live.
func Pointer(addr uint64) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(nil), addr) }

// Bytes is n bytes of memory at a device address. The caller has checked that they are live.
func Bytes(addr, n uint64) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(Pointer(addr)), n)
}
