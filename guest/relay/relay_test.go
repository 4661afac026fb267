// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/cuda"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/wire"
)

const base = 0x600000000000

var quiet = slog.New(slog.DiscardHandler)

// oriond is a server that answers hellos as a test says.
func oriond(t *testing.T, serve func(h wire.Hello, conn net.Conn)) Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b := make([]byte, wire.HelloSize)
				var h wire.Hello
				if _, err := io.ReadFull(conn, b); err == nil && h.UnmarshalBinary(b) == nil {
					serve(h, conn)
				}
			}()
		}
	}()
	return TCP(l.Addr().String())
}

func answer(conn net.Conn, w wire.Welcome) {
	w.Version, w.Spec = wire.Version, cuda.SpecHash
	b, _ := w.MarshalBinary()
	_, _ = conn.Write(b)
}

func refuses(t *testing.T, status uint32, message string) Server {
	return oriond(t, func(_ wire.Hello, conn net.Conn) { answer(conn, wire.Welcome{Status: status, Message: message}) })
}

// accepts welcomes a client and sends the header, then hands over.
func accepts(t *testing.T, then func(conn net.Conn)) Server {
	return oriond(t, func(h wire.Hello, conn net.Conn) {
		if h.Carrier != wire.CarrierStream {
			answer(conn, wire.Welcome{Status: 1, Message: "not a stream"})
			return
		}
		answer(conn, wire.Welcome{Devices: 1, Size: wire.MinRegionSize, Base: base, Session: "test"})
		header := make([]byte, wire.RingControl)
		binary.LittleEndian.PutUint32(header[wire.HdrMagic:], wire.Magic)
		w := carry.NewWriter(conn)
		w.Memory(wire.HeaderOffset, header)
		_ = w.Flush()
		then(conn)
	})
}

// serve runs a relay over servers, and returns its socket.
func serve(t *testing.T, servers ...Server) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "relay.sock")
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r := &Relay{Servers: func(context.Context) []Server { return servers }, Log: quiet, Release: "test"}
	go func() { done <- r.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return socket
}

// program is the client's side of a session.
type program struct {
	wire.Welcome
	conn   *net.UnixConn
	region carry.Region
}

// greetRelay does what a program's library does first.
func greetRelay(t *testing.T, socket string, hello wire.Hello) *program {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	b, _ := hello.MarshalBinary()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	control := make([]byte, unix.CmsgSpace(4))
	n, cn, _, _, err := conn.ReadMsgUnix(b, control)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{conn: conn}
	if err := p.UnmarshalBinary(b[:n]); err != nil {
		t.Fatal(err)
	}
	if p.Status != 0 {
		return p
	}
	messages, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("no descriptor: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	if unix.Ftruncate(fds[0], 4096) == nil {
		t.Error("the program can make the region smaller")
	}
	if p.region, err = unix.Mmap(fds[0], 0, int(p.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	unix.Close(fds[0])
	t.Cleanup(func() { unix.Munmap(p.region) })
	return p
}

var sound = wire.Hello{Version: wire.Version, Spec: cuda.SpecHash, VGPUs: 1, Base: base, Program: "test"}

// await fails the test unless done holds soon.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func TestServersInTurn(t *testing.T) {
	t.Parallel()
	nobody := Server{Name: "nobody", Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("no route") }}
	full, mad := refuses(t, noDevice, "every vGPU is taken"), refuses(t, 1, "77 vGPUs asked for")
	hangsUp := oriond(t, func(wire.Hello, net.Conn) {})
	good := accepts(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	for _, c := range []struct {
		name    string
		servers []Server
		status  uint32
		says    string
	}{
		{"one", []Server{good}, 0, ""},
		{"the third", []Server{nobody, full, good}, 0, ""},
		{"behind one that hangs up", []Server{hangsUp, good}, 0, ""},
		{"none", nil, noDevice, "no oriond is known"},
		{"nobody answers", []Server{nobody}, noDevice, "nobody: no route"},
		{"all are full", []Server{full, nobody}, noDevice, "every vGPU is taken"},
		{"a wrong question is wrong everywhere", []Server{mad, good}, 1, "77 vGPUs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := greetRelay(t, serve(t, c.servers...), sound)
			if p.Status != c.status || !strings.Contains(p.Message, c.says) {
				t.Errorf("status %d, %q", p.Status, p.Message)
			}
			if p.Status == 0 && p.region.Load32(wire.HdrCarrier) != wire.CarrierStream {
				t.Error("the header does not say how the region is carried")
			}
		})
	}
}

func TestOtherRelease(t *testing.T) {
	t.Parallel()
	h := sound
	h.Spec++
	if p := greetRelay(t, serve(t), h); p.Status != driverMismatch || !strings.Contains(p.Message, "versions do not match") {
		t.Errorf("status %d, %q", p.Status, p.Message)
	}
}

// What a program does wrong ends its session with the reason, in its region.
func TestBrokenProgram(t *testing.T) {
	t.Parallel()
	socket := serve(t, accepts(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }))
	for name, c := range map[string]struct {
		tail  uint64
		frame []byte
		says  string
	}{
		"tail":    {wire.RingSize + 8, nil, "malformed ring"},
		"size":    {24, []byte{7}, "malformed command"},
		"version": {24, []byte{24, 0, 0, 0, 1, 0, 9}, "version 9"},
		"sharing": {48, words(48|cuda.OpHostAlloc<<32, 0, 0, base+wire.HeapOffset(wire.MinRegionSize), 1<<62, wire.HostReachable), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := greetRelay(t, socket, sound)
			copy(p.region.Ring(), c.frame)
			p.region.Store64(wire.RingTail, c.tail)
			_, _ = p.conn.Write([]byte{1})
			if c.says == "" { // the worker will say what is wrong
				await(t, "the command is read", func() bool { return p.region.Load32(wire.RingParked) == 1 })
				return
			}
			await(t, "the session ends", func() bool { return p.region.Load32(wire.StatusEnded) != 0 })
			if reason := string(p.region[wire.StatusMessage:][:200]); !strings.Contains(reason, c.says) {
				t.Errorf("the reason is %q", strings.TrimRight(reason, "\x00"))
			}
		})
	}
}

// A worker's last words reach the program.
func TestEndArrives(t *testing.T) {
	t.Parallel()
	p := greetRelay(t, serve(t, accepts(t, func(conn net.Conn) {
		w := carry.NewWriter(conn)
		w.Frame(carry.End, 700, []byte("malformed launch command"))
		_ = w.Flush()
	})), sound)
	await(t, "the session ends", func() bool { return p.region.Load32(wire.StatusEnded) == 700 })
	if !bytes.HasPrefix(p.region[wire.StatusMessage:], []byte("malformed launch command\x00")) {
		t.Error("without its reason")
	}
	_ = p.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := p.conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the program's connection: %v", err)
	}
}

func words(v ...uint64) (b []byte) {
	for _, w := range v {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

func TestOldKernelsMemory(t *testing.T) {
	t.Parallel()
	f, err := unlinkedFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Nlink != 0 || st.Mode&0o077 != 0 {
		t.Errorf("links %d, mode %o, %v", st.Nlink, st.Mode, err)
	}
}

func TestRegionSize(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, c := range []struct{ size, memory, want uint64 }{
		{8 * gib, 64 * gib, 8 * gib}, {8 * gib, 4 * gib, 2 * gib}, {8 * gib, gib/8 + 5, wire.HeapOffset(8*gib) + minHeap},
		{wire.MinRegionSize, gib / 32, wire.HeapOffset(wire.MinRegionSize) + minHeap}, {8 * gib, 3*gib + 5, 3 * gib / 2},
	} {
		if got := regionSize(c.size, c.memory); got != c.want || got%wire.PageSize != 0 {
			t.Errorf("of %#x bytes on a machine of %#x: %#x, want %#x", c.size, c.memory, got, c.want)
		}
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run", "relay.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("two relays on one socket")
	}
	l.SetUnlinkOnClose(false) // as when it is killed
	l.Close()
	l, err = Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestByRoom(t *testing.T) {
	t.Parallel()
	node := func(name string, gpus int, granted uint32, state poolv1.NodeStatus_State, address string) *poolv1.NodeStatus {
		n := &poolv1.NodeStatus{State: state, Node: &poolv1.Node{Name: name, VgpuCount: 4, DataAddress: address}}
		for range gpus {
			n.Node.Gpus = append(n.Node.Gpus, &poolv1.GPU{})
			n.Granted = append(n.Granted, &poolv1.Granted{Vgpus: granted})
		}
		return n
	}
	const ready, lost = poolv1.NodeStatus_STATE_READY, poolv1.NodeStatus_STATE_LOST
	var names []string
	for _, n := range byRoom([]*poolv1.NodeStatus{node("full", 2, 4, ready, "a:1"), node("one", 1, 3, ready, "a:1"), node("lost", 8, 0, lost, "a:1"),
		node("most", 2, 1, ready, "a:1"), node("silent", 8, 0, ready, ""), node("bare", 0, 0, ready, "a:1")}) {
		names = append(names, n.Node.Name)
	}
	if want := []string{"most", "one", "full"}; !slices.Equal(names, want) {
		t.Errorf("asked in the order %v, want %v", names, want)
	}
}

// own leaves out what casts are writing, however that lies.
func TestOwn(t *testing.T) {
	t.Parallel()
	p := newPinned(make(carry.Region, 1<<16), 0)
	for _, s := range []span{{100, 50, 1}, {120, 10, 2}, {140, 60, 3}, {0, 10, 4}, {300, 100, 5}} {
		p.await(s.cast, s.offset, s.size)
	}
	list := func(offset, size uint64) string {
		var b strings.Builder
		p.own(offset, size, func(offset, size uint64) { fmt.Fprintf(&b, "%d+%d ", offset, size) })
		return strings.TrimSpace(b.String())
	}
	for _, c := range []struct {
		offset, size uint64
		want         string
	}{{0, 400, "10+90 200+100"}, {110, 20, ""}, {195, 10, "200+5"}, {50, 50, "50+50"}, {350, 100, "400+50"}, {90, 15, "90+10"}} {
		if got := list(c.offset, c.size); got != c.want {
			t.Errorf("own of %d bytes at %d: %q, want %q", c.size, c.offset, got, c.want)
		}
	}
	p.written(3)
	p.written(5)
	if got := list(0, 400); got != "10+90 150+250" {
		t.Errorf("when two have come: %q", got)
	}
	p.remove(90, 20)
	if got := list(90, 100); got != "90+30 130+60" {
		t.Errorf("when one was freed: %q", got)
	}
}

func TestPieces(t *testing.T) {
	t.Parallel()
	p := newPinned(make(carry.Region, 64*wire.PageSize), 8*wire.PageSize)
	for _, at := range []uint64{20, 10, 30} {
		p.add(at*wire.PageSize, 2*wire.PageSize)
	}
	for _, bad := range [][2]uint64{{0, 4096}, {8 * 4096, 0}, {60 * 4096, 8 * 4096}, {1 << 63, 1 << 63}} {
		if p.add(bad[0], bad[1]) != nil {
			t.Errorf("a piece of %#x bytes at %#x", bad[1], bad[0])
		}
	}
	for at, want := range map[uint64]uint64{9: 0, 10: 10, 11: 10, 12: 0, 20: 20, 31: 30, 32: 0} {
		got := uint64(0)
		if a := p.find(at*wire.PageSize + 5); a != nil {
			got = a.offset / wire.PageSize
		}
		if got != want {
			t.Errorf("page %d is of the piece at %d, want %d", at, got, want)
		}
	}
	p.add(11*wire.PageSize, 10*wire.PageSize) // over two of them
	if len(p.pieces) != 2 || p.find(10*wire.PageSize) != nil {
		t.Errorf("pieces are %v", p.pieces)
	}
}

// Whatever a worker sends, it changes only what is a worker's to change.
func FuzzApply(f *testing.F) {
	seed := func(write func(w *carry.Writer)) {
		var b bytes.Buffer
		w := carry.NewWriter(&b)
		write(w)
		_ = w.Flush()
		f.Add(b.Bytes())
	}
	seed(func(w *carry.Writer) { w.Memory(wire.SlotsOffset, []byte{1, 2}); w.Word64(wire.RingHead, 5) })
	seed(func(w *carry.Writer) { w.Word32(wire.StatusCallHead, 1); w.Frame(carry.Written, 3, nil) })
	seed(func(w *carry.Writer) {
		w.Frame(carry.Patch, wire.HeapOffset(wire.MinRegionSize), append(make([]byte, 4), 1, 0, 0, 0, 0, 0, 0, 0, 9))
	})
	seed(func(w *carry.Writer) { w.Frame(carry.End, 999, []byte("over")) })
	zeroes := make([]byte, wire.RingSize)
	f.Fuzz(func(t *testing.T, b []byte) {
		region, err := unix.Mmap(-1, 0, wire.MinRegionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Munmap(region)
		s := &session{log: quiet, region: region, base: base, in: carry.NewReader(bytes.NewReader(b)), wake: -1}
		s.pinned = newPinned(region, wire.HeapOffset(wire.MinRegionSize))
		defer s.pinned.shared.Close()
		for {
			h, err := s.in.Next()
			if err == nil {
				err = s.apply(h)
			}
			if err != nil {
				break
			}
		}
		for _, own := range [][2]uint64{{0, wire.RingHead}, {wire.RingHead + 8, wire.StatusOffset}, {wire.RingOffset, wire.StageOffset}} {
			if !bytes.Equal(region[own[0]:own[1]], zeroes[:own[1]-own[0]]) {
				t.Fatalf("memory from %#x to %#x has changed", own[0], own[1])
			}
		}
	})
}
