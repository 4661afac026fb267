// SPDX-License-Identifier: Apache-2.0

package ivshmem

import (
	"errors"
	"slices"
	"testing"

	"github.com/orion-vgpu/orion/proto/wire"
)

func TestTakeLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		region uint64
		want   []uint64 // MiB of each slice until none is left
	}{
		{64 * mib, []uint64{32}}, // 63 MiB: the second would have 31
		{128 * mib, []uint64{63, 32, 32}},
		{256 * mib, []uint64{127, 64, 32, 32}},
		{512 * mib, []uint64{255, 128, 64, 32, 32}},
	} {
		a := allocator{end: c.region}
		var got []uint64
		for {
			s, err := a.take()
			if errors.Is(err, ErrFull) {
				break
			}
			got = append(got, s.size/mib)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("a region of %d MiB has slices of %d MiB, want %d", c.region/mib, got, c.want)
		}
	}
}

func TestClaimRefuses(t *testing.T) {
	t.Parallel()
	const size = 256 << 20
	a := allocator{end: size}
	if err := a.claim(span{wire.SliceOffset + grain, MinSlice}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []span{
		{0, MinSlice}, {wire.SliceOffset - 4096, MinSlice}, {wire.SliceOffset + 1, MinSlice},
		{wire.SliceOffset, MinSlice}, {wire.SliceOffset + 2*grain, MinSlice}, // overlap
		{wire.SliceOffset + 64*grain, MinSlice + 1}, {wire.SliceOffset + 64*grain, MinSlice - grain}, {wire.SliceOffset + 64*grain, 0},
		{wire.SliceOffset + 224*grain, MinSlice}, // ends behind the region
		{^uint64(0) - grain + 1, MinSlice}, {wire.SliceOffset, ^uint64(0) - grain + 1},
	} {
		if err := a.claim(s); err == nil {
			t.Errorf("claim of %d bytes at %#x succeeded", s.size, s.offset)
		}
	}
	if err := a.claim(span{wire.SliceOffset + 33*grain, MinSlice}); err != nil {
		t.Errorf("claim of the neighbour: %v", err)
	}
}

// FuzzSlices takes, claims and frees at random. Slices never overlap, neighbours join, and in the end all is
// free again.
func FuzzSlices(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 129, 0, 130, 0, 128, 64, 65})
	f.Add([]byte{64, 65, 66, 67, 0, 128, 128, 128, 0, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		const size = 512 << 20
		a := allocator{end: size}
		var held []span
		for _, op := range ops {
			switch {
			case op >= 128: // free one
				if len(held) > 0 {
					i := int(op-128) % len(held)
					a.free(held[i])
					held = slices.Delete(held, i, i+1)
				}
			case op >= 64: // claim one somewhere
				s := span{wire.SliceOffset + uint64(op-64)*8*grain, MinSlice}
				if a.claim(s) == nil {
					held = append(held, s)
				}
			default:
				if s, err := a.take(); err == nil {
					held = append(held, s)
				}
			}
			check(t, &a, held)
		}
		for _, s := range held {
			a.free(s)
		}
		if h := a.holes(); len(h) != 1 || h[0] != (span{wire.SliceOffset, size - grain}) {
			t.Fatalf("all is free, and the holes are %v", h)
		}
	})
}

func check(t *testing.T, a *allocator, held []span) {
	t.Helper()
	if len(a.taken) != len(held) {
		t.Fatalf("%d slices are taken, want %d", len(a.taken), len(held))
	}
	at := uint64(wire.SliceOffset)
	for _, s := range a.taken {
		if s.offset < at || s.end() > a.end || s.size < MinSlice || (s.offset-wire.SliceOffset)%grain != 0 {
			t.Fatalf("slices overlap, or are out of place: %v", a.taken)
		}
		if !slices.Contains(held, s) {
			t.Fatalf("nobody holds %v", s)
		}
		at = s.end()
	}
	for _, h := range a.holes() {
		for _, s := range a.taken {
			if h.offset < s.end() && s.offset < h.end() {
				t.Fatalf("hole %v overlaps slice %v", h, s)
			}
		}
	}
}
