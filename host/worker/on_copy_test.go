// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"math"
	"testing"

	"github.com/orion-vgpu/orion/proto/wire"
)

func TestHostExtent(t *testing.T) {
	t.Parallel()
	const base, most = wire.DefaultBase, math.MaxUint64
	s := &server{region: &region{base: base, size: wire.MinRegionSize}, memory: newMemory(nil), staged: most} // never touched
	first, room := uint64(base+wire.StageOffset), uint64(wire.MinRegionSize-wire.StageOffset)
	for _, c := range []struct {
		name                                             string
		base, x, y, z, pitch, rows, width, height, depth uint64
		want                                             bool
	}{
		{"a row", first, 0, 0, 0, 0, 0, room, 1, 1, true},
		{"a row too long", first, 0, 0, 0, 0, 0, room + 1, 1, 1, false},
		{"nothing, anywhere", 1, most, most, most, most, most, 0, 1, 1, true},
		{"before the arenas", first - 1, 0, 0, 0, 0, 0, 1, 1, 1, false},
		{"begins behind x", first, room - 8, 0, 0, 0, 0, 8, 1, 1, true},
		{"x too far", first, room - 8, 0, 0, 0, 0, 9, 1, 1, false},
		{"rows that just fit", first, 0, 0, 0, room / 4, 0, room / 4, 4, 1, true},
		{"a row too many", first, 0, 0, 0, room / 4, 0, room / 4, 5, 1, false},
		{"the last row is short", first, 0, 0, 0, room / 4, 0, 8, 4, 1, true},
		{"layers that just fit", first, 0, 0, 0, room / 8, 2, room / 8, 2, 4, true},
		{"a layer too many", first, 0, 0, 0, room / 8, 2, room / 8, 2, 5, false},
		{"x overflows", first, most, 0, 0, 0, 0, 2, 1, 1, false},
		{"y times pitch overflows", first, 0, 1 << 33, 0, 1 << 31, 0, 8, 1, 1, false},
		{"z times plane overflows", first, 0, 0, 1 << 33, 1 << 16, 1 << 16, 8, 1, 1, false},
		{"rows of a layer overflow", first, 0, 0, 1, 1 << 33, 1 << 33, 8, 1, 1, false},
		{"y before the first row", first, 0, most, 0, 4096, 0, 8, 2, 1, false},
		{"z before the first layer", first, 0, 0, most, 4096, 4, 8, 1, 2, false},
		{"pitch of all", first, 0, 0, 0, most, 0, 8, 2, 1, false},
	} {
		if got := s.hostExtent(c.base, c.x, c.y, c.z, c.pitch, c.rows, c.width, c.height, c.depth); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
