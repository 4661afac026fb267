// SPDX-License-Identifier: Apache-2.0

package carrier

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/carry/twin"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/proto/wire/ring"
)

const base = 0x600000000000

var quiet = slog.New(slog.DiscardHandler)

func newRegion(t testing.TB) carry.Region {
	t.Helper()
	b, err := unix.Mmap(-1, 0, wire.MinRegionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return b
}

// side is a carrier with the relay's end of its stream.
type side struct {
	*Carrier
	region carry.Region
	bell   int // the ring's end of the doorbell
	in     *carry.Reader
	out    *carry.Writer
}

func start(t *testing.T) *side {
	t.Helper()
	s := &side{region: newRegion(t)}
	ours, theirs := net.Pipe()
	// The relay always reads: see package carry.
	var pending buffer
	go func() {
		_, err := io.Copy(&pending, theirs)
		pending.close(err)
	}()
	var err error
	if s.Carrier, s.bell, err = Start(ours, s.region, base, carry.Silence, quiet); err != nil {
		t.Fatal(err)
	}
	s.in, s.out = carry.NewReader(&pending), carry.NewWriter(theirs)
	t.Cleanup(func() {
		theirs.Close()
		<-s.done
		unix.Close(s.bell)
	})
	if h := s.next(t); h.Kind != carry.Memory || h.Arg != wire.HeaderOffset || h.Length != wire.RingControl {
		t.Fatalf("first comes %+v", h)
	}
	return s
}

// next returns the next frame that is not a ping.
func (s *side) next(t *testing.T) carry.Header {
	t.Helper()
	for {
		h, err := s.in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Kind != carry.Ping {
			return h
		}
	}
}

func (s *side) flush(t *testing.T) {
	t.Helper()
	if err := s.out.Flush(); err != nil {
		t.Fatal(err)
	}
}

// buffer is a pipe that takes all that is written.
type buffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	ended bool
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) close(error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

func (b *buffer) Read(p []byte) (int, error) {
	for {
		b.mu.Lock()
		n, _ := b.b.Read(p)
		ended := b.ended
		b.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		if ended {
			return 0, io.EOF
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func words(v ...uint64) (b []byte) {
	for _, w := range v {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// Commands land in the ring where the client has them, and wake a worker that sleeps.
func TestCommandsArrive(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.region.Store32(wire.RingParked, 1)
	frame := append(words(wire.FrameSize|cuda.OpMemInfo<<32), make([]byte, wire.FrameSize-8)...)
	s.out.Memory(wire.StageOffset+8, []byte("memory"))
	s.out.Commands(append(append([]byte(nil), frame...), frame...))
	s.flush(t)
	var b [8]byte
	if n, err := unix.Read(s.bell, b[:]); n != 1 || err != nil {
		t.Fatalf("the bell gave %d, %v", n, err)
	}
	if tail := s.region.Load64(wire.RingTail); tail != 2*wire.FrameSize {
		t.Errorf("the tail is %d", tail)
	}
	if !bytes.Equal(s.region.Ring()[:len(frame)], frame) || string(s.region[wire.StageOffset+8:][:6]) != "memory" {
		t.Error("commands or their memory did not arrive")
	}
}

// Memory comes before the answer that promises it: of the command itself, and of casts before.
func TestAnswersComeLast(t *testing.T) {
	t.Parallel()
	s := start(t)
	heap := wire.HeapOffset(uint64(len(s.region)))
	cast := &ring.Command{Op: cuda.OpCopyOutRegion, Args: words(base+heap, 0x7000, 16, 5)}
	var marked uint64
	s.Before(cast)
	s.After(cast, true, func(stream, address uint64, value uint32, _ func()) bool {
		if stream != 5 {
			t.Errorf("stream %d is to tell", stream)
		}
		marked = address - base
		copy(s.region[heap:], "written by cast.")
		s.region.Store32(marked, value) // as the GPU does
		return true
	})
	fence := &ring.Command{Op: cuda.OpCopyOut, Slot: 3, Seq: 9, Args: words(base+wire.StageOffset, 0x7000, 4, 5)}
	s.Before(fence)
	copy(s.region[wire.StageOffset:], "data")
	s.region.Store32(wire.StatusAsyncCode, 700)
	s.region.Store32(wire.StatusAsyncSeq, 1)
	s.region.Store32(fence.SlotOffset()+wire.SlotFlag, 9)
	s.After(fence, true, nil)
	s.Answered()

	var order []string
	for len(order) == 0 || order[len(order)-1] != "answer" {
		h := s.next(t)
		switch {
		case h.Kind == carry.Memory && h.Arg == heap:
			order = append(order, "cast's memory")
		case h.Kind == carry.Written && h.Arg == 1:
			order = append(order, "written")
		case h.Kind == carry.Memory && h.Arg == wire.StageOffset:
			order = append(order, "fence's memory")
		case h.Kind == carry.Word && h.Arg == wire.StatusAsyncSeq:
			order = append(order, "error")
		case h.Kind == carry.Word && h.Arg == fence.SlotOffset()+wire.SlotFlag:
			order = append(order, "answer")
		}
	}
	if len(order) != 5 || order[3] != "fence's memory" {
		t.Errorf("came in the order %v", order)
	}
}

// Two answers are on their way in one slot, as of a download in pieces, and both are there: neither is told before its memory.
func TestAnswersOfOneSlot(t *testing.T) {
	t.Parallel()
	for name, tells := range map[string]uint64{"by a GPU": wire.SlotFlag, "by the worker": wire.SlotSeq} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			const first, second = wire.StageOffset, wire.StageOffset + 4096
			var slot uint64
			s.Carrier.mu.Lock() // nothing is looked at before both are there
			for i, at := range []uint64{first, second} {
				c := &ring.Command{Op: cuda.OpCopyOut, Slot: 3, Seq: uint32(9 + i), Args: words(base+at, 0x7000, 4, 5)}
				slot = c.SlotOffset()
				s.touched.Of(c.Op, c.Args)
				s.expected = append(s.expected, answer{slot, c.Seq, slices.Clone(s.touched.Writes)})
			}
			s.region.Store32(slot+tells, 10)
			s.Carrier.mu.Unlock()
			s.Answered()

			memory := map[uint64]bool{}
			for told := uint32(0); told != 10; {
				h := s.next(t)
				b, err := s.in.Payload()
				switch {
				case err != nil:
					t.Fatal(err)
				case h.Kind == carry.Memory:
					memory[h.Arg] = true
				case h.Kind == carry.Word && h.Arg == slot+tells:
					told = binary.LittleEndian.Uint32(b)
				}
				if told >= 9 && !memory[first] || told >= 10 && !memory[second] {
					t.Fatalf("answer %d was told with memory of %v sent", told, memory)
				}
			}
		})
	}
}

// A cast that has failed, or was only recorded, writes nothing, but is told of.
func TestCastsThatDoNotWrite(t *testing.T) {
	t.Parallel()
	s := start(t)
	heap := wire.HeapOffset(uint64(len(s.region)))
	for i, ok := range []bool{false, true} {
		c := &ring.Command{Op: cuda.OpCopyOutRegion, Args: words(base+heap, 0x7000, 16, 5)}
		s.Before(c)
		s.After(c, ok, func(uint64, uint64, uint32, func()) bool { return false })
		if h := s.next(t); h.Kind != carry.Written || h.Arg != uint64(i+1) {
			t.Errorf("then came %+v", h)
		}
	}
}

// When the session ends, its reason is the last that the relay hears.
func TestFinish(t *testing.T) {
	t.Parallel()
	s := start(t)
	copy(s.region[wire.StatusMessage:], "malformed")
	s.region.Store32(wire.StatusEnded, 999)
	s.Finish()
	h := s.next(t)
	b, err := s.in.Payload()
	if h.Kind != carry.End || h.Arg != 999 || string(b) != "malformed" || err != nil {
		t.Errorf("the end is %+v %q %v", h, b, err)
	}
	if n, err := unix.Read(s.bell, make([]byte, 8)); n != 0 || err != nil {
		t.Errorf("the ring does not see the end: %d, %v", n, err)
	}
}

// Whatever a relay sends, it changes only what is a client's to change.
func FuzzReceive(f *testing.F) {
	heap := wire.HeapOffset(wire.MinRegionSize)
	seed := func(write func(w *carry.Writer)) {
		var b bytes.Buffer
		w := carry.NewWriter(&b)
		write(w)
		_ = w.Flush()
		f.Add(b.Bytes())
	}
	seed(func(w *carry.Writer) { w.Memory(wire.StageOffset, []byte{1, 2}); w.Word32(wire.StatusCallTail, 5) })
	seed(func(w *carry.Writer) { w.Commands(make([]byte, 24)); w.Frame(carry.Filler, wire.RingSize-24, nil) })
	seed(func(w *carry.Writer) {
		w.Share(heap, 8192)
		w.Frame(carry.Patch, heap, append(make([]byte, 4), 1, 0, 0, 0, 0, 0, 0, 0, 9))
		w.Memory(heap+4000, make([]byte, 200))
	})
	seed(func(w *carry.Writer) { w.Frame(carry.Commands, 1, make([]byte, 8)); w.Word64(wire.RingTail, 8) })
	zeroes := make([]byte, wire.RingOffset)
	f.Fuzz(func(t *testing.T, b []byte) {
		region := newRegion(t)
		c := &Carrier{region: region, base: base, log: quiet, wake: make(chan struct{}, 1), shared: twin.New(region)}
		defer c.shared.Close()
		in := carry.NewReader(bytes.NewReader(b))
		for {
			h, err := in.Next()
			if err == nil {
				err = c.apply(h, in)
			}
			if err != nil {
				break
			}
		}
		for _, own := range [][2]uint64{{0, wire.RingTail}, {wire.RingTail + 8, wire.StatusCallTail},
			{wire.StatusCallTail + 4, wire.StatusConsoleTail}, {wire.StatusConsoleTail + 4, wire.RingOffset}} {
			if !bytes.Equal(region[own[0]:own[1]], zeroes[own[0]:own[1]]) {
				t.Fatalf("memory from %#x to %#x has changed", own[0], own[1])
			}
		}
		if tail := region.Load64(wire.RingTail); tail > wire.RingSize {
			t.Fatalf("the ring has %d bytes", tail)
		}
	})
}
