// SPDX-License-Identifier: Apache-2.0

// Package ring takes commands out of a command ring, for the worker that runs them and for a relay that carries
// them on. The producer may be hostile and may change what it has written at any time: a frame is copied out,
// then checked, and its size is read once.
package ring

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/orion-vgpu/orion/proto/wire"
)

// Command is one frame, copied out of a ring.
type Command struct {
	Op      uint16
	Context uint32
	Slot    uint32 // 1 + index of the slot to answer in, 0 for none
	Seq     uint32
	Strict  bool // wire.CmdStrict
	Args    []byte
	// Frame is all of it as it lay in the ring. It and Args lie in the buffer that Take was given.
	Frame []byte
}

// Filler says whether the command only leads back to the ring's start.
func (c *Command) Filler() bool { return c.Op == wire.OpFiller }

// SlotOffset is where in the region the answer goes, 0 for none.
func (c *Command) SlotOffset() uint64 {
	if c.Slot == 0 {
		return 0
	}
	return wire.SlotsOffset + uint64(c.Slot-1)*wire.SlotSize
}

// Check says whether a producer that has got from head to tail has kept to the protocol.
func Check(head, tail uint64) error {
	if tail-head > wire.RingSize || tail%8 != 0 {
		return fmt.Errorf("malformed ring: tail %d, head %d", tail, head)
	}
	return nil
}

// Take copies the command at head, behind which available bytes have been produced, into buffer, which has room
// for wire.MaxCommand bytes. It returns the size of the frame, by which the head moves on. memory is the ring.
func Take(memory []byte, head, available uint64, buffer []byte) (c Command, size uint64, err error) {
	at := head % wire.RingSize
	memory = memory[at:wire.RingSize]
	size = uint64(atomic.LoadUint32((*uint32)(unsafe.Pointer(&memory[wire.CmdSize]))))
	if size < 8 || size%8 != 0 || size > available || size > uint64(len(memory)) {
		return c, 0, fmt.Errorf("malformed command of %d bytes, %d available", size, available)
	}
	le := binary.LittleEndian
	if size < wire.FrameSize || size > wire.MaxCommand {
		if le.Uint16(memory[wire.CmdOp:]) == wire.OpFiller {
			return c, size, nil
		}
		return c, 0, fmt.Errorf("malformed command of %d bytes", size)
	}
	b := buffer[:size]
	copy(b, memory)
	c.Op = le.Uint16(b[wire.CmdOp:])
	if c.Filler() {
		return c, size, nil
	}
	if version := le.Uint16(b[wire.CmdVersion:]); version != 0 {
		return c, 0, fmt.Errorf("malformed command: version %d", version)
	}
	if c.Slot = le.Uint32(b[wire.CmdSlot:]); c.Slot > wire.SlotCount {
		return c, 0, fmt.Errorf("malformed command: slot %d", c.Slot)
	}
	c.Strict = le.Uint32(b[wire.CmdFlags:])&wire.CmdStrict != 0
	c.Context, c.Seq, c.Args, c.Frame = le.Uint32(b[wire.CmdContext:]), le.Uint32(b[wire.CmdSeq:]), b[wire.FrameSize:], b
	return c, size, nil
}
