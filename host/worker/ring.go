// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/wire"
)

// errGone is the ordinary end of a session: the client has closed its side.
var errGone = errors.New("the client is gone")

// command is one frame, copied out of the ring.
type command struct {
	op      uint16
	context uint32
	slot    uint64 // offset of the reply slot, 0 for none
	seq     uint32
	args    []byte
}

// ring consumes the command ring. It belongs to one goroutine.
type ring struct {
	region *region
	head   uint64
	buffer []byte // the copy of the command being run
	socket int
	client int // pidfd of the client, -1 if unknown
	spin   time.Duration
}

// spinTime is how long an empty ring is watched before its consumer sleeps. With few cores the client needs
// them more.
func spinTime() time.Duration {
	if fewCores() {
		return 50 * time.Microsecond
	}
	return time.Millisecond
}

func fewCores() bool { return runtime.NumCPU() < 4 }

// next returns the next command, waiting for it. The command is valid until the call after.
func (r *ring) next() (command, error) {
	for {
		tail := atomic.LoadUint64(r.region.word64(wire.RingTail))
		if tail == r.head {
			if err := r.await(); err != nil {
				return command{}, err
			}
			continue
		}
		if tail-r.head > wire.RingSize || tail%8 != 0 {
			return command{}, fmt.Errorf("malformed ring: tail %d, head %d", tail, r.head)
		}
		c, filler, err := r.take(tail - r.head)
		if err != nil || !filler {
			return c, err
		}
	}
}

// take copies the command at the head out of the ring and checks its frame.
func (r *ring) take(available uint64) (c command, filler bool, err error) {
	at := r.head % wire.RingSize
	contiguous := wire.RingSize - at
	size := uint64(atomic.LoadUint32(r.region.word32(wire.RingOffset + at + wire.CmdSize)))
	if size < 8 || size%8 != 0 || size > available || size > contiguous {
		return c, false, fmt.Errorf("malformed command of %d bytes, %d available", size, available)
	}
	if size < wire.FrameSize || size > wire.MaxCommand {
		if op := uint16(r.region.load32(wire.RingOffset + at + wire.CmdOp)); op == wire.OpFiller {
			r.advance(size)
			return c, true, nil
		}
		return c, false, fmt.Errorf("malformed command of %d bytes", size)
	}
	b := r.buffer[:size]
	copy(b, r.region.bytes(wire.RingOffset+at, size))
	r.advance(size)
	le := binary.LittleEndian
	c.op = le.Uint16(b[wire.CmdOp:])
	if c.op == wire.OpFiller {
		return c, true, nil
	}
	extents := int(b[wire.CmdExtents])
	start := wire.FrameSize + extents*wire.ExtentSize
	if b[wire.CmdVersion] != 0 || extents > wire.MaxExtents || start > len(b) {
		return c, false, fmt.Errorf("malformed command: version %d, %d extents, %d bytes", b[wire.CmdVersion], extents, size)
	}
	slot := le.Uint32(b[wire.CmdSlot:])
	if slot > wire.SlotCount {
		return c, false, fmt.Errorf("malformed command: slot %d", slot)
	}
	if slot > 0 {
		c.slot = wire.SlotsOffset + uint64(slot-1)*wire.SlotSize
	}
	c.context, c.seq, c.args = le.Uint32(b[wire.CmdContext:]), le.Uint32(b[wire.CmdSeq:]), b[start:]
	return c, false, nil
}

func (r *ring) advance(n uint64) {
	r.head += n
	atomic.StoreUint64(r.region.word64(wire.RingHead), r.head)
}

// await returns when the ring has something, or with errGone when the client has gone.
func (r *ring) await() error {
	start := time.Now()
	for i := 1; ; i++ {
		if atomic.LoadUint64(r.region.word64(wire.RingTail)) != r.head {
			return nil
		}
		pause()
		if i%64 == 0 {
			if time.Since(start) > r.spin {
				break
			}
			if fewCores() {
				runtime.Gosched() // a software GPU's stream, say, has nowhere else to run
			}
		}
	}
	for {
		// The client stores the tail, then loads this flag; here the flag is stored, then the tail loaded: one
		// of both sees the other's store, so no command waits for a sleeper.
		r.region.store32(wire.RingParked, 1)
		if atomic.LoadUint64(r.region.word64(wire.RingTail)) != r.head {
			r.region.store32(wire.RingParked, 0)
			return nil
		}
		if err := r.sleep(); err != nil {
			return err
		}
	}
}

// sleep waits for a byte on the socket, or its end.
func (r *ring) sleep() error {
	fds := []unix.PollFd{{Fd: int32(r.socket), Events: unix.POLLIN}, {Fd: int32(r.client), Events: unix.POLLIN}}
	if r.client < 0 {
		fds = fds[:1]
	}
	if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the client: %w", err)
	}
	if len(fds) > 1 && fds[1].Revents != 0 {
		return errGone
	}
	if fds[0].Revents == 0 {
		return nil
	}
	var b [64]byte
	n, _, err := unix.Recvfrom(r.socket, b[:], unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil || n == 0:
		return errGone
	}
	return nil
}
