// SPDX-License-Identifier: Apache-2.0

// Package touch tells what a command reads and writes of the region, for those who carry commands to where the
// region is not shared. The specification says it of most commands, in its types; of copies of boxes, the boxes
// do. Arguments may be of any content and size: what cannot be understood touches nothing.
package touch

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/proto/cuda"
)

// Flag is a u32 of the region that becomes Value when a stream gets there.
type Flag struct {
	Address uint64
	Value   uint32
}

// Command is what one command touches. It is reused from one to the next.
type Command struct {
	Reads, Writes []Area
	Flags         []Flag
	Stream        uint64 // id of the stream in whose order it happens
}

// Of notes what a command touches. A cast writes when its stream gets there, others before they are answered.
func (c *Command) Of(op uint16, args []byte) {
	c.Reads, c.Writes, c.Flags, c.Stream = c.Reads[:0], c.Writes[:0], c.Flags[:0], 0
	switch op {
	case cuda.OpCopy3d, cuda.OpCopy3dPeer:
		c.box(args)
	default:
		c.declared(op, args)
	}
}

// Mentions says whether a word of the arguments is the address of something that is touched: what a copy's host
// side is known to read or write is not for kernels to find.
func (c *Command) Mentions(address uint64) bool {
	for _, list := range [][]Area{c.Reads, c.Writes} {
		for _, a := range list {
			if a.named == address {
				return true
			}
		}
	}
	for _, f := range c.Flags {
		if f.Address == address {
			return true
		}
	}
	return false
}

func word(args []byte, i int) uint64 {
	if len(args) < 8*(i+1) {
		return 0
	}
	return binary.LittleEndian.Uint64(args[8*i:])
}

func (c *Command) read(args []byte, at, n int) {
	c.Reads = add(c.Reads, linear(word(args, at), word(args, n)))
}
func (c *Command) write(args []byte, at, n int) {
	c.Writes = add(c.Writes, linear(word(args, at), word(args, n)))
}
func (c *Command) stream(args []byte, at int) { c.Stream = word(args, at) }

func (c *Command) flag(args []byte, at, value int) {
	c.Flags = append(c.Flags, Flag{word(args, at), uint32(word(args, value))})
}

func add(list []Area, a Area) []Area {
	if a.Width == 0 || a.Height == 0 || a.Depth == 0 {
		return list
	}
	return append(list, a)
}
