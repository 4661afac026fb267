// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

var le = binary.LittleEndian

// hello is a sound one.
func hello() wire.Hello {
	return wire.Hello{Version: wire.Version, Spec: cuda.SpecHash, VGPUs: 1, GMemMiB: 64, Ratio: 10,
		Base: wire.DefaultBase, Program: "hostile", Release: "test"}
}

// welcome is oriond's answer, with a session if there is one.
type welcome struct {
	wire.Welcome
	session *session
}

// session is a client's side of a session without the client's library, so that it need not behave. The region
// is mapped anywhere: several sessions live in this process.
type session struct {
	id   string
	base uint64 // what the worker takes for the region's address
	mem  []byte
	conn *net.UnixConn
	tail uint64
	seq  uint32
}

// dial shakes hands with oriond. The session ends with the test.
func dial(t *testing.T, socket string, h wire.Hello) welcome {
	t.Helper()
	b, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(2 * prompt))
	answer, control := make([]byte, wire.HelloSize), make([]byte, unix.CmsgSpace(4))
	n, cn, _, _, err := conn.ReadMsgUnix(answer, control)
	if err != nil {
		t.Fatal(err)
	}
	var w welcome
	if err := w.UnmarshalBinary(answer[:n]); err != nil {
		t.Fatal(err)
	}
	if w.Status == 0 {
		w.session = adopt(t, w.Welcome, conn, control[:cn])
	}
	return w
}

func adopt(t *testing.T, w wire.Welcome, conn *net.UnixConn, control []byte) *session {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		t.Fatalf("the welcome has %d descriptors, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	mem, err := unix.Mmap(fds[0], 0, int(w.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	unix.Close(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(mem) })
	return &session{id: w.Session, base: w.Base, mem: mem, conn: conn}
}

// open is dial for a session that must come about.
func (f *fixture) open(t *testing.T) *session {
	t.Helper()
	var w welcome
	granted(t, func() wire.Welcome {
		w = dial(t, f.node.Socket, hello())
		return w.Welcome
	})
	return w.session
}

// granted asks until a session is granted. While every vGPU is taken it asks again: those of sessions that have just
// ended are given back when their workers have gone.
func granted(t *testing.T, ask func() wire.Welcome) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		w := ask()
		if w.Status == 0 {
			return
		}
		if !strings.Contains(w.Message, "every vGPU is taken") || time.Since(begin) > 2*prompt {
			t.Fatalf("no session: %s", w.Message)
		}
	}
}

func (s *session) word32(at uint64) *uint32 { return (*uint32)(unsafe.Pointer(&s.mem[at])) }
func (s *session) word64(at uint64) *uint64 { return (*uint64)(unsafe.Pointer(&s.mem[at])) }

// ended returns why the worker has ended the session, if it has.
func (s *session) ended() (reason string, ended bool) {
	if atomic.LoadUint32(s.word32(wire.StatusEnded)) == 0 {
		return "", false
	}
	b := s.mem[wire.StatusMessage : wire.StatusMessage+wire.StatusMessageBytes]
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), true
		}
	}
	return string(b), true
}

// over says whether the worker's end of the socket is closed: its process is gone.
func (s *session) over() bool {
	s.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err := s.conn.Read(make([]byte, 1))
	var timeout net.Error
	if n == 0 && err != nil {
		if e, ok := err.(net.Error); ok {
			timeout = e
		}
		return timeout == nil || !timeout.Timeout()
	}
	return false
}

// publish stores the ring's tail and wakes the worker.
func (s *session) publish(tail uint64) {
	atomic.StoreUint64(s.word64(wire.RingTail), tail)
	if atomic.SwapUint32(s.word32(wire.RingParked), 0) != 0 {
		s.conn.SetWriteDeadline(time.Now().Add(time.Second))
		s.conn.Write([]byte{1})
	}
}

// room waits until n bytes fit into the ring; false if the worker has ended or does not get on.
func (s *session) room(n uint64) bool {
	for start := time.Now(); s.tail+n-atomic.LoadUint64(s.word64(wire.RingHead)) > wire.RingSize; time.Sleep(50 * time.Microsecond) {
		if _, ended := s.ended(); ended || time.Since(start) > time.Second {
			return false
		}
	}
	return true
}

// put appends a frame of whole words to the ring, whatever is in it, and publishes it.
func (s *session) put(frame []byte) bool {
	left := wire.RingSize - s.tail%wire.RingSize
	if left < uint64(len(frame)) {
		if !s.room(left) {
			return false
		}
		at := wire.RingOffset + s.tail%wire.RingSize
		le.PutUint64(s.mem[at:], left) // size, and OpFiller
		s.tail += left
		s.publish(s.tail)
	}
	if !s.room(uint64(len(frame))) {
		return false
	}
	copy(s.mem[wire.RingOffset+s.tail%wire.RingSize:], frame)
	s.tail += uint64(len(frame))
	s.publish(s.tail)
	return true
}

// command makes a frame of arguments: uint64 words, or bytes with their length before them.
func command(op uint16, context, slot, seq uint32, args ...any) []byte {
	b := make([]byte, wire.FrameSize)
	for _, a := range args {
		switch a := a.(type) {
		case uint64:
			b = le.AppendUint64(b, a)
		case []byte:
			b = append(le.AppendUint64(b, uint64(len(a))), a...)
			b = append(b, make([]byte, -len(a)&7)...)
		default:
			panic(fmt.Sprintf("argument of type %T", a))
		}
	}
	le.PutUint32(b[wire.CmdSize:], uint32(len(b)))
	le.PutUint16(b[wire.CmdOp:], op)
	le.PutUint32(b[wire.CmdContext:], context)
	le.PutUint32(b[wire.CmdSlot:], slot)
	le.PutUint32(b[wire.CmdSeq:], seq)
	return b
}

// call runs a command to its answer. It is false when none comes within a second.
func (s *session) call(op uint16, context uint32, args ...any) (r driver.Result, data []byte, ok bool) {
	return s.exchange(command(op, context, 0, 0, args...), time.Second)
}

// exchange is call for a frame that is made already; the answer comes in the first slot. The data are valid
// until the next.
func (s *session) exchange(frame []byte, limit time.Duration) (r driver.Result, data []byte, ok bool) {
	const slot = wire.SlotsOffset
	s.seq++
	le.PutUint32(frame[wire.CmdSlot:], 1)
	le.PutUint32(frame[wire.CmdSeq:], s.seq)
	if !s.put(frame) {
		return 0, nil, false
	}
	for start := time.Now(); ; {
		if atomic.LoadUint32(s.word32(slot+wire.SlotSeq)) == s.seq {
			n := min(atomic.LoadUint32(s.word32(slot+wire.SlotBytes)), wire.SlotRoom)
			r = driver.Result(atomic.LoadUint32(s.word32(slot + wire.SlotResult)))
			return r, s.mem[slot+wire.SlotData : slot+wire.SlotData+n], true
		}
		if atomic.LoadUint32(s.word32(slot+wire.SlotFlag)) == s.seq {
			return driver.Success, nil, true
		}
		if _, ended := s.ended(); ended || time.Since(start) > limit {
			return 0, nil, false
		}
		time.Sleep(5 * time.Microsecond)
	}
}

// must is call for what a well-behaved client does.
func (s *session) must(t *testing.T, op uint16, context uint32, args ...any) []byte {
	t.Helper()
	r, data, ok := s.call(op, context, args...)
	if reason, ended := s.ended(); ended {
		t.Fatalf("%s: the session has ended: %s", cuda.OpNames[op], reason)
	}
	if !ok || r != driver.Success {
		t.Fatalf("%s: %v, answered: %v", cuda.OpNames[op], r, ok)
	}
	return data
}
