// SPDX-License-Identifier: Apache-2.0

package ivshmem

import (
	"errors"
	"fmt"
	"slices"

	"github.com/orion-vgpu/orion/proto/wire"
)

const (
	// MinSlice is the least that a client process can work with, in bytes.
	MinSlice = 32 << 20

	grain = 1 << 20 // slices are multiples of it
)

// ErrFull says that no slice is free.
var ErrFull = errors.New("all of the region is in use")

// span is a range of the file, in bytes.
type span struct{ offset, size uint64 }

func (s span) end() uint64 { return s.offset + s.size }

// allocator knows which spans between SliceOffset and the region's end are taken.
type allocator struct {
	end   uint64
	taken []span // ascending
}

// holes returns what is free, ascending, in whole grains.
func (a *allocator) holes() []span {
	var out []span
	at := uint64(wire.SliceOffset)
	for _, t := range append(slices.Clone(a.taken), span{offset: a.end}) {
		if size := (t.offset - at) / grain * grain; size > 0 {
			out = append(out, span{at, size})
		}
		at = t.end()
	}
	return out
}

// take takes half of the largest hole, so that the first programs get much and there is room for others.
func (a *allocator) take() (span, error) {
	var hole span
	for _, h := range a.holes() {
		if h.size > hole.size {
			hole = h
		}
	}
	if hole.size < MinSlice {
		return span{}, ErrFull
	}
	s := span{hole.offset, max(hole.size/2/grain*grain, MinSlice)}
	a.insert(s)
	return s, nil
}

// claim takes a span that an earlier allocator gave out.
func (a *allocator) claim(s span) error {
	if s.offset < wire.SliceOffset || s.size < MinSlice || s.size > a.end || s.offset > a.end-s.size ||
		(s.offset-wire.SliceOffset)%grain != 0 || s.size%grain != 0 {
		return fmt.Errorf("take slice: %d bytes at %#x are no slice of a region of %d bytes", s.size, s.offset, a.end)
	}
	for _, t := range a.taken {
		if s.offset < t.end() && t.offset < s.end() {
			return fmt.Errorf("take slice: %d bytes at %#x are taken already", s.size, s.offset)
		}
	}
	a.insert(s)
	return nil
}

func (a *allocator) insert(s span) {
	i, _ := slices.BinarySearchFunc(a.taken, s.offset, func(t span, offset uint64) int {
		if t.offset < offset {
			return -1
		}
		return 1
	})
	a.taken = slices.Insert(a.taken, i, s)
}

func (a *allocator) free(s span) {
	a.taken = slices.DeleteFunc(a.taken, func(t span) bool { return t == s })
}
