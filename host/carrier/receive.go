// SPDX-License-Identifier: Apache-2.0

package carrier

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/wire"
)

// receive stores what the relay sends until the connection ends. It never waits for the worker.
func (c *Carrier) receive() {
	in := carry.NewReader(c.stream)
	for {
		h, err := in.Next()
		if err == nil {
			c.life.Heard()
			err = c.apply(h, in)
		}
		if err != nil {
			c.close(c.life.Reason(err))
			return
		}
	}
}

// apply checks a frame and does what it says. The relay may be anyone.
func (c *Carrier) apply(h carry.Header, in *carry.Reader) error {
	switch h.Kind {
	case carry.Memory:
		return c.store(h, in)
	case carry.Commands, carry.Filler, carry.Word, carry.Share, carry.Patch:
	case carry.Ping:
		return nil
	default:
		return fmt.Errorf("a frame of kind %d is not for a worker", h.Kind)
	}
	b, err := in.Payload()
	if err != nil {
		return err
	}
	switch h.Kind {
	case carry.Commands:
		return c.produce(b, h.Arg)
	case carry.Filler:
		return c.fill(h.Arg)
	case carry.Word:
		return c.word(h.Arg, b)
	case carry.Patch:
		return c.shared.Apply(h.Arg, b)
	}
	if len(b) != 8 || h.Arg < wire.HeapOffset(uint64(len(c.region))) {
		return fmt.Errorf("share memory at %#x: not pinned memory", h.Arg)
	}
	size := carry.Uint64(b)
	c.shared.Remove(h.Arg, size) // of an allocation that failed
	return c.shared.Add(h.Arg, size, true)
}

func (c *Carrier) store(h carry.Header, in *carry.Reader) error {
	to, err := c.region.Range(h.Arg, uint64(h.Length), wire.StageOffset, uint64(len(c.region)))
	if err != nil {
		return err
	}
	if c.shared.Empty() {
		return in.Into(to)
	}
	b, err := in.Payload()
	if err == nil {
		c.shared.Store(h.Arg, b)
	}
	return err
}

// word stores what the client answers: host functions done, console output taken.
func (c *Carrier) word(offset uint64, v []byte) error {
	if offset != wire.StatusCallTail && offset != wire.StatusConsoleTail || len(v) != 4 {
		return fmt.Errorf("store a word of %d bytes at %#x: not the client's", len(v), offset)
	}
	return c.region.StoreWord(offset, v)
}

// room returns n bytes behind what is in the ring, if the worker has read what was there.
func (c *Carrier) room(n uint64) ([]byte, error) {
	at := c.stored % wire.RingSize
	if n%8 != 0 || n > wire.RingSize-at || c.stored+n-c.region.Load64(wire.RingHead) > wire.RingSize {
		return nil, fmt.Errorf("append %d bytes to the ring at %d: no room", n, c.stored)
	}
	c.stored += n
	return c.region.Ring()[at : at+n], nil
}

// produce appends commands. With more the last one goes on in the next frame.
func (c *Carrier) produce(b []byte, more uint64) error {
	to, err := c.room(uint64(len(b)))
	if err != nil {
		return err
	}
	copy(to, b)
	if more == 0 {
		c.publish()
	}
	return nil
}

// fill leads the ring back to its start.
func (c *Carrier) fill(n uint64) error {
	to, err := c.room(n)
	if err != nil {
		return err
	}
	if n < 8 || c.stored%wire.RingSize != 0 {
		return fmt.Errorf("append a filler of %d bytes before %d: it does not lead to the ring's start", n, c.stored)
	}
	binary.LittleEndian.PutUint32(to[wire.CmdSize:], uint32(n))
	binary.LittleEndian.PutUint32(to[wire.CmdOp:], wire.OpFiller)
	c.publish()
	return nil
}

// publish moves the tail, and wakes the worker if it sleeps: in this order, as the worker does the reverse.
func (c *Carrier) publish() {
	c.region.Store64(wire.RingTail, c.stored)
	c.active.Store(time.Now().UnixNano())
	if c.region.Load32(wire.RingParked) != 0 && c.region.Swap32(wire.RingParked, 0) != 0 {
		_, _ = c.bell.Write([]byte{1}) // fails only when the session ends
	}
	c.Answered()
}
