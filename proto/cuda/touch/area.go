// SPDX-License-Identifier: Apache-2.0

package touch

import (
	"encoding/binary"
	"math/bits"
)

// Area is memory at an address of the region: Depth slices of Height rows of Width bytes. Rows lie Pitch bytes
// apart, slices Slice bytes. All that lies within a region and does not overlap itself: see Within.
type Area struct {
	Address, Width, Pitch, Height, Slice, Depth uint64

	named uint64 // the address as the command has it, before the offset of a box
}

func linear(address, n uint64) Area {
	return Area{Address: address, Width: n, Pitch: n, Height: 1, Slice: n, Depth: 1, named: address}
}

// Within says whether the whole of an area lies in [first, end), and its rows are in order, so that Rows ends
// after a number of steps that the range bounds.
func (a Area) Within(first, end uint64) bool {
	size, ok := a.span()
	return ok && a.Address >= first && a.Address <= end && size <= end-a.Address
}

// span is the number of bytes from the first to the last.
func (a Area) span() (uint64, bool) {
	if a.Width == 0 || a.Height == 0 || a.Depth == 0 || a.Height > 1 && a.Pitch < a.Width {
		return 0, false
	}
	hi, rows := bits.Mul64(a.Height-1, a.Pitch)
	plane, c1 := bits.Add64(rows, a.Width, 0)
	if hi != 0 || c1 != 0 || a.Depth > 1 && a.Slice < plane {
		return 0, false
	}
	hi, slices := bits.Mul64(a.Depth-1, a.Slice)
	size, c2 := bits.Add64(slices, plane, 0)
	return size, hi == 0 && c2 == 0
}

// Rows yields the runs of bytes of an area that lies within a region, in ascending order. Rows without a gap
// are one.
func (a Area) Rows(yield func(address, n uint64) bool) {
	width, height, depth := a.Width, a.Height, a.Depth
	if height == 1 || a.Pitch == width {
		width, height = width*height, 1
	}
	if height == 1 && (depth == 1 || a.Slice == width) {
		width, depth = width*depth, 1
	}
	for z := range depth {
		for y := range height {
			if !yield(a.Address+z*a.Slice+y*a.Pitch, width) {
				return
			}
		}
	}
}

// One side of a CUDA_MEMCPY3D, by the places of its fields.
const (
	boxBytes   = 200
	sideBytes  = 88
	boxWidth   = 176
	typeHost   = 1
	sideX      = 0
	sideY      = 8
	sideZ      = 16
	sideType   = 32
	sideHost   = 40
	sidePitch  = 72
	sideHeight = 80
)

// box notes the host sides of a copy of a box: a blob, which has its length before it, then the stream.
func (c *Command) box(args []byte) {
	if len(args) < 8+boxBytes+8 || word(args, 0) != boxBytes {
		return
	}
	b := args[8 : 8+boxBytes]
	c.Reads = add(c.Reads, hostSide(b, b[:sideBytes]))
	c.Writes = add(c.Writes, hostSide(b, b[sideBytes:2*sideBytes]))
	c.Stream = word(args, 1+boxBytes/8)
}

// hostSide is the area of one side, which is empty unless it is host memory.
func hostSide(box, side []byte) Area {
	get := binary.LittleEndian.Uint64
	if binary.LittleEndian.Uint32(side[sideType:]) != typeHost {
		return Area{}
	}
	a := Area{Width: get(box[boxWidth:]), Height: get(box[boxWidth+8:]), Depth: get(box[boxWidth+16:]),
		Pitch: get(side[sidePitch:]), named: get(side[sideHost:])}
	rows := get(side[sideHeight:])
	if a.Pitch == 0 {
		a.Pitch = a.Width
	}
	if rows == 0 {
		rows = a.Height
	}
	hi, slice := bits.Mul64(a.Pitch, rows)
	a.Slice = slice
	address, ok := a.named, hi == 0
	for _, step := range [][2]uint64{{get(side[sideX:]), 1}, {get(side[sideY:]), a.Pitch}, {get(side[sideZ:]), slice}} {
		hi, n := bits.Mul64(step[0], step[1])
		sum, carry := bits.Add64(address, n, 0)
		address, ok = sum, ok && hi == 0 && carry == 0
	}
	if a.Address = address; !ok {
		return Area{}
	}
	return a
}
