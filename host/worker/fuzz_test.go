// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

var le = binary.LittleEndian

// words makes the arguments of a command.
func words(v ...uint64) (b []byte) {
	for _, w := range v {
		b = le.AppendUint64(b, w)
	}
	return b
}

// frame makes a command that is sound in its frame.
func frame(op uint16, context, slot uint32, args []byte) []byte {
	b := make([]byte, wire.FrameSize)
	le.PutUint32(b[wire.CmdSize:], uint32(wire.FrameSize+len(args)))
	le.PutUint16(b[wire.CmdOp:], op)
	le.PutUint32(b[wire.CmdContext:], context)
	le.PutUint32(b[wire.CmdSlot:], slot)
	return append(b, args...)
}

// play puts bytes into the ring at an offset and runs what the worker finds there, until it would wait for more
// or the session ends.
func play(s *server, f *fakeDriver, b []byte, start uint64) error {
	defer settle(s.waiters)
	reg := s.region
	b = b[:len(b)&^7]
	for i := range b {
		*reg.bytePointer(wire.RingOffset + (start+uint64(i))%wire.RingSize) = b[i]
	}
	r := &consumer{region: reg, head: start, buffer: make([]byte, wire.MaxCommand)}
	tail := start + uint64(len(b))
	*reg.word64(wire.RingTail) = tail
	a, answer := newArgs(), &reply{region: reg}
	for r.head != tail {
		c, err := r.take(tail - r.head)
		if err != nil {
			return err
		}
		if c.Filler() {
			continue
		}
		f.command = c.Args
		a.reset(c.Args)
		answer.reset(c.SlotOffset(), c.Seq)
		result := s.run(c, a, answer)
		if a.malformed {
			return driver.ErrorInvalidValue
		}
		if result != pending {
			answer.send(result)
		}
	}
	return nil
}

// FuzzRing feeds the worker a ring's content. The seeds are commands that a client sends.
func FuzzRing(f *testing.F) {
	reg := anyRegion(f)
	base := uint64(reg.base)
	stage := base + wire.StageOffset
	retain := frame(cuda.OpPrimaryRetain, 0, 1, words(0, 16))
	for _, seed := range [][]byte{
		retain,
		append(retain, frame(cuda.OpMemAlloc, 16, 1, words(4096))...),
		append(retain, frame(cuda.OpCopyInRegion, 16, 0, words(0x1000, stage, 64, 0))...),
		append(retain, frame(cuda.OpCopyIn, 16, 0, words(0x1000, 0, 8, 0, 8))...),
		append(retain, frame(cuda.OpHostAlloc, 16, 1, words(base+wire.HeapOffset(reg.size), 4096, 0))...),
		append(append(retain, frame(cuda.OpHostAlloc, 16, 1, words(base+wire.HeapOffset(reg.size), 4096, 0))...),
			frame(cuda.OpHostAlias, 16, 1, words(base+wire.HeapOffset(reg.size), 0, 4096, 0x5200_0000_0000))...),
		append(append(retain, frame(cuda.OpHostAlloc, 16, 1, words(base+wire.HeapOffset(reg.size), 4096, 0))...),
			frame(cuda.OpHostJoin, 16, 1, words(base+wire.HeapOffset(reg.size)+4096, base+wire.HeapOffset(reg.size)))...),
		append(retain, frame(cuda.OpWriteFlag, 16, 0, words(0, stage, 7))...),
		append(frame(cuda.OpImageAppend, 0, 1, words(8, stage, 8, 1)), frame(cuda.OpModuleLoad, 0, 1, words(17, 0, 0))...),
		frame(cuda.OpCopy3d, 0, 0, append(words(200), make([]byte, 208)...)),
		frame(cuda.OpGraphAddHost, 0, 1, words(18, 0, 2, 1, 1, 2, 5)),
		frame(cuda.OpLaunch, 0, 0, words(0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)),
		make([]byte, 64),
	} {
		f.Add(seed, uint32(0))
		f.Add(seed, uint32(wire.RingSize-32))
	}
	f.Fuzz(func(t *testing.T, b []byte, start uint32) {
		if len(b) > 64<<10 {
			return
		}
		s, fake := fakeServer(reg)
		defer close(s.waiters.jobs)
		defer fake.tidy()
		_ = play(s, fake, b, uint64(start)&^7)
		for gpu, used := range s.memory.used {
			if used.sum() > s.memory.quota[gpu] {
				t.Fatalf("%d bytes of %d are in use", used.sum(), s.memory.quota[gpu])
			}
		}
	})
}

// FuzzArguments runs one command with arguments that are not from a client.
func FuzzArguments(f *testing.F) {
	reg := anyRegion(f)
	for op := range uint16(cuda.OpCount) {
		f.Add(op, words(0, 0, 0, 0))
	}
	f.Fuzz(func(t *testing.T, op uint16, args []byte) {
		if len(args) > 64<<10 {
			return
		}
		s, fake := fakeServer(reg)
		defer close(s.waiters.jobs)
		defer fake.tidy()
		_ = play(s, fake, frame(op, 0, 1, args[:len(args)&^7]), 0)
	})
}

// TestCommandIsCopied: the arguments that run are those that were checked, whatever the client
// writes into the ring meanwhile.
func TestCommandIsCopied(t *testing.T) {
	t.Parallel()
	reg := anyRegion(t)
	b := frame(cuda.OpMemAlloc, 0, 1, words(4096))
	copy(reg.bytes(wire.RingOffset, uint64(len(b))), b)
	r := &consumer{region: reg, buffer: make([]byte, wire.MaxCommand)}
	c, err := r.take(uint64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	clear(reg.bytes(wire.RingOffset, uint64(len(b))))
	if c.Op != cuda.OpMemAlloc || le.Uint64(c.Args) != 4096 || c.SlotOffset() != wire.SlotsOffset {
		t.Errorf("the command has become %+v", c)
	}
	if *reg.word64(wire.RingHead) != uint64(len(b)) {
		t.Error("the client does not learn that its room is free")
	}
}

// stridesDriver notes the strides of a tensor map.
type stridesDriver struct {
	driver.API
	strides []byte
}

func (d *stridesDriver) TensorMapEncodeTiled(_ []byte, _, _ uint32, _ driver.DevicePtr, _, strides, _, _ []byte, _, _, _, _ uint32) driver.Result {
	d.strides = strides
	return driver.Success
}

// A tensor map of one dimension has no strides: where a program keeps none, or that it keeps none, is told on.
func TestBlobOfNoBytes(t *testing.T) {
	t.Parallel()
	s, fake := fakeServer(anyRegion(t))
	defer close(s.waiters.jobs)
	defer fake.tidy()
	d := &stridesDriver{API: s.api}
	s.api = d
	encode := func(strides uint64) error {
		d.strides = []byte{1}
		return play(s, fake, frame(cuda.OpCuTensorMapEncodeTiled, 0, 1, words(7, 1, 4096, 8, 40, strides, 4, 2, 4, 1, 0, 0, 0, 0)), 0)
	}
	if err := encode(0); err != nil || d.strides == nil || len(d.strides) != 0 {
		t.Errorf("somewhere: %v, %v", d.strides, err)
	}
	if err := encode(math.MaxUint64); err != nil || d.strides != nil {
		t.Errorf("nowhere: %v, %v", d.strides, err)
	}
	if encode(8) == nil {
		t.Error("strides of more bytes than there are are taken")
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	sound := frame(cuda.OpMemInfo, 0, 1, nil)
	change := func(at int, v byte) []byte {
		b := append([]byte(nil), sound...)
		b[at] = v
		return b
	}
	for _, c := range []struct {
		name  string
		b     []byte
		start uint64
		err   string
	}{
		{"sound", sound, 0, ""},
		{"at the ring's very end", sound, wire.RingSize - wire.FrameSize, ""},
		{"a filler, then a command", append(words(wire.FrameSize), append(make([]byte, wire.FrameSize-8), sound...)...), wire.RingSize - wire.FrameSize, ""},
		{"a short filler", append(words(8), sound...), wire.RingSize - 8, ""},
		{"across the ring's end", sound, wire.RingSize - 8, "malformed command of 24 bytes"},
		{"no size", change(wire.CmdSize, 0), 0, "0 bytes"},
		{"a filler of no size", make([]byte, 8), 0, "0 bytes"},
		{"odd size", change(wire.CmdSize, 20), 0, "20 bytes"},
		{"short", change(wire.CmdSize, 16), 0, "16 bytes"},
		{"long", change(wire.CmdSize, 32), 0, "32 bytes, 24 available"},
		{"version", change(wire.CmdVersion, 1), 0, "version 1"},
		{"the version's upper half", change(wire.CmdVersion+1, 1), 0, "version 256"},
		{"slot", change(wire.CmdSlot+1, 5), 0, "slot 1281"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, f := fakeServer(anyRegion(t))
			err := play(s, f, c.b, c.start)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
}
