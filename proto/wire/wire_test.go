// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"testing"
)

// Whatever a region's size, staging is whole pages and leaves most of the rest to pinned memory, and its parts are no more
// than the bits of a word.
func TestStaging(t *testing.T) {
	t.Parallel()
	for size, want := range map[uint64]uint64{
		MinRegionSize: 4 << 20, 33 << 20: 33 << 17, 100<<20 + PageSize: 100 << 17, 256 << 20: 32 << 20,
		FullStageRegion - PageSize: MaxStageBytes - PageSize, FullStageRegion: MaxStageBytes, 1 << 40: MaxStageBytes,
	} {
		got := StageBytes(size)
		if got != want || got%PageSize != 0 {
			t.Errorf("staging of a region of %#x bytes = %#x, want %#x", size, got, want)
		}
		if HeapOffset(size) != StageOffset+got || size-HeapOffset(size) < size/2 {
			t.Errorf("heap of a region of %#x bytes begins at %#x", size, HeapOffset(size))
		}
		if part := StagePart(got); part%PageSize != 0 || part < 512<<10 || got > 64*part || part > 4<<20 {
			t.Errorf("%#x bytes of staging have parts of %#x", got, part)
		}
	}
}

func TestDeviceMagic(t *testing.T) {
	t.Parallel()
	if got := string(binary.LittleEndian.AppendUint64(nil, DeviceMagic)); got != "ORIONIVS" {
		t.Errorf("magic number reads %q", got)
	}
}
