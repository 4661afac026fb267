// SPDX-License-Identifier: Apache-2.0

package touch

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/orion-vgpu/orion/proto/cuda"
)

func words(v ...uint64) []byte {
	var b []byte
	for _, w := range v {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// side is one side of a copy of a box, as words: x, y, z, level, type, host, device, array, context, pitch, height.
func box(src, dst [11]uint64, width, height, depth, stream uint64) []byte {
	v := append([]uint64{boxBytes}, src[:]...)
	v = append(append(v, dst[:]...), width, height, depth)
	return words(append(v, stream)...)
}

type run struct{ address, n uint64 }

func runs(list []Area) (all []run) {
	for _, a := range list {
		for address, n := range a.Rows {
			all = append(all, run{address, n})
		}
	}
	return all
}

func TestOf(t *testing.T) {
	t.Parallel()
	device := [11]uint64{4: 2, 6: 0x7000}
	for _, c := range []struct {
		name          string
		op            uint16
		args          []byte
		reads, writes []run
		flags         []Flag
		stream        uint64
	}{
		{"upload", cuda.OpCopyInRegion, words(0x7000, 0x1000, 64, 5), []run{{0x1000, 64}}, nil, nil, 5},
		{"upload from staging", cuda.OpCopyInStage, words(0x7000, 0x1000, 64, 5, 0xf00, 9), []run{{0x1000, 64}}, nil, []Flag{{0xf00, 9}}, 5},
		{"flag", cuda.OpWriteFlag, words(5, 0xf00, 9), nil, nil, []Flag{{0xf00, 9}}, 5},
		{"download", cuda.OpCopyOut, words(0x1000, 0x7000, 64, 5), nil, []run{{0x1000, 64}}, nil, 5},
		{"piece of an image", cuda.OpImageAppend, words(100, 0x1000, 64), []run{{0x1000, 64}}, nil, nil, 0},
		{"linked image", cuda.OpLinkRead, words(3, 0, 0x1000, 64), nil, []run{{0x1000, 64}}, nil, 0},
		{"nothing", cuda.OpCopyInRegion, words(0x7000, 0x1000, 0, 5), nil, nil, nil, 5},
		{"cut short", cuda.OpCopyInRegion, words(0x7000), nil, nil, nil, 0},
		{"another command", cuda.OpMemFree, words(0x1000), nil, nil, nil, 0},
		{"box of the whole", cuda.OpCopy3d, box([11]uint64{4: 1, 5: 0x1000, 9: 8, 10: 2}, device, 8, 2, 3, 5), []run{{0x1000, 48}}, nil, nil, 5},
		{"box with gaps", cuda.OpCopy3d, box(device, [11]uint64{0: 4, 1: 1, 4: 1, 5: 0x1000, 9: 16, 10: 3}, 8, 2, 2, 5), nil,
			[]run{{0x1014, 8}, {0x1024, 8}, {0x1044, 8}, {0x1054, 8}}, nil, 5},
		{"row", cuda.OpCopy3dPeer, box([11]uint64{4: 1, 5: 0x1000}, device, 100, 1, 1, 0), []run{{0x1000, 100}}, nil, nil, 0},
		{"box beyond all memory", cuda.OpCopy3d, box([11]uint64{1: 1 << 40, 4: 1, 5: 0x1000, 9: 1 << 40}, device, 8, 2, 3, 5), nil, nil, nil, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got Command
			got.Of(c.op, c.args)
			if r := runs(got.Reads); !slices.Equal(r, c.reads) {
				t.Errorf("reads %v, want %v", r, c.reads)
			}
			if w := runs(got.Writes); !slices.Equal(w, c.writes) {
				t.Errorf("writes %v, want %v", w, c.writes)
			}
			if !slices.Equal(got.Flags, c.flags) || got.Stream != c.stream {
				t.Errorf("flags %v on stream %d, want %v on %d", got.Flags, got.Stream, c.flags, c.stream)
			}
			if (len(c.reads)+len(c.writes) > 0) != got.Mentions(0x1000) || got.Mentions(0x7000) {
				t.Errorf("mentions 0x1000: %v, 0x7000: %v", got.Mentions(0x1000), got.Mentions(0x7000))
			}
		})
	}
}

// Whatever the arguments are, an area that lies within a region has rows that do, and not more of them than bytes.
func FuzzOf(f *testing.F) {
	const first, end = 0x1000, 0x9000
	f.Add(uint16(cuda.OpCopyOut), words(0x1000, 0x7000, 64, 5))
	f.Add(uint16(cuda.OpCopy3d), box([11]uint64{4: 1, 5: 0x1000, 9: 16, 10: 3}, [11]uint64{4: 1, 5: 0x1000, 9: 16, 10: 3}, 8, 2, 2, 5))
	f.Fuzz(func(t *testing.T, op uint16, args []byte) {
		var c Command
		c.Of(op, args)
		for _, a := range append(c.Reads, c.Writes...) {
			if !a.Within(first, end) {
				continue
			}
			at, total := uint64(first), uint64(0)
			for address, n := range a.Rows {
				if address < at || n == 0 || address+n > end {
					t.Fatalf("%+v has the row [%#x, +%#x) behind %#x", a, address, n, at)
				}
				at, total = address+n, total+n
			}
			if total != a.Width*a.Height*a.Depth {
				t.Fatalf("%+v has rows of %d bytes", a, total)
			}
		}
	})
}
