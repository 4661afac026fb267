// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/carrier"
	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/proto/wire/ring"
)

// echo is a worker that answers each command with the first word of its arguments.
func echo(t *testing.T) Server {
	return oriond(t, func(_ wire.Hello, conn net.Conn) {
		region, err := unix.Mmap(-1, 0, wire.MinRegionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err != nil {
			t.Error(err)
			return
		}
		answer(conn, wire.Welcome{Devices: 1, Size: wire.MinRegionSize, Base: base, Session: "echo"})
		c, bell, err := carrier.Start(conn, region, base, carry.Silence, quiet)
		if err != nil {
			t.Error(err)
			return
		}
		run(t, c, region)
		c.Finish()
		unix.Close(bell)
	})
}

// run ends when the last command, of no answer, comes.
func run(t *testing.T, c *carrier.Carrier, region carry.Region) {
	buffer := make([]byte, wire.MaxCommand)
	for at, idle := uint64(0), time.Now(); time.Since(idle) < 30*time.Second; {
		tail := region.Load64(wire.RingTail)
		if at == tail {
			runtime.Gosched()
			continue
		}
		cmd, size, err := ring.Take(region.Ring(), at, tail-at, buffer)
		if err != nil {
			t.Errorf("at %d of %d: %v", at, tail, err)
			return
		}
		at += size
		region.Store64(wire.RingHead, at)
		idle = time.Now()
		if cmd.Filler() {
			continue
		}
		if cmd.Slot == 0 {
			return
		}
		c.Before(&cmd)
		slot := cmd.SlotOffset()
		copy(region[slot+wire.SlotData:], cmd.Args[:8])
		region.Store32(slot+wire.SlotBytes, 8)
		region.Store64(slot+wire.SlotSeq, uint64(cmd.Seq))
		c.After(&cmd, true, nil)
		c.Answered()
	}
}

// producer is a program's side of the ring.
type producer struct {
	*program
	tail uint64
	seq  uint32
}

// put appends a command of size bytes, with a filler before it where it would not fit, once there is room.
func (p *producer) put(t *testing.T, size uint64, slot uint32, word uint64) {
	t.Helper()
	if left := wire.RingSize - p.tail%wire.RingSize; left < size {
		p.frame(t, left, 0, 0, 0)
	}
	p.seq++
	p.frame(t, size, cuda.OpMemInfo, slot, word)
	if p.region.Swap32(wire.RingParked, 0) != 0 {
		_, _ = p.conn.Write([]byte{1})
	}
}

func (p *producer) frame(t *testing.T, size uint64, op uint16, slot uint32, word uint64) {
	t.Helper()
	await(t, "there is room in the ring", func() bool { return p.tail+size-p.region.Load64(wire.RingHead) <= wire.RingSize })
	b := p.region.Ring()[p.tail%wire.RingSize:]
	le := binary.LittleEndian
	le.PutUint32(b[wire.CmdSize:], uint32(size))
	le.PutUint32(b[wire.CmdOp:], uint32(op))
	if op != 0 {
		le.PutUint32(b[wire.CmdSlot:], slot)
		le.PutUint32(b[wire.CmdSeq:], p.seq)
		if size > wire.FrameSize {
			le.PutUint64(b[wire.FrameSize:], word)
		}
	}
	p.tail += size
	p.region.Store64(wire.RingTail, p.tail)
}

// Commands of all sizes, many at once, arrive in order and whole, and are answered, however they lie at the end of
// the ring, and for as many rings as there are.
func TestCommandsOfAllSizes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for name, size := range map[string]func() uint64{
		"that end where the ring ends": func() uint64 { return 32 << 10 },
		"small":                        func() uint64 { return 32 + 8*random.Uint64N(100) },
		"any":                          func() uint64 { return 32 + 8*random.Uint64N((wire.MaxCommand-32)/8) },
		"largest":                      func() uint64 { return wire.MaxCommand },
	} {
		t.Run(name, func(t *testing.T) {
			p := &producer{program: greetRelay(t, serve(t, echo(t)), sound)}
			const slot = 7
			offset := uint64(wire.SlotsOffset + (slot-1)*wire.SlotSize)
			for sent, i := uint64(0), uint64(1); sent < 3*wire.RingSize && i < 3000; i++ {
				n := size()
				sent += n
				p.put(t, n, slot, i)
				if i%17 != 0 {
					continue
				}
				await(t, "the answer", func() bool { return uint32(p.region.Load64(offset+wire.SlotSeq)) == p.seq })
				if got := p.region.Load64(offset + wire.SlotData); got != i {
					t.Fatalf("command %d is answered with %d", i, got)
				}
			}
			p.put(t, wire.FrameSize, 0, 0)
			_ = p.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
			if _, err := p.conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the end of the session: %v", err)
			}
		})
	}
}
