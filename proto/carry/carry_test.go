// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orion-vgpu/orion/proto/wire"
)

// frame is one with its payload copied.
type frame struct {
	Header
	payload []byte
}

func readAll(r *Reader) (all []frame, err error) {
	for {
		h, err := r.Next()
		if err != nil {
			return all, err
		}
		b, err := r.Payload()
		if err != nil {
			return all, err
		}
		all = append(all, frame{h, append([]byte(nil), b...)})
	}
}

func TestFramesRoundTrip(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := NewWriter(&b)
	large := make([]byte, 2*MaxPayload+5)
	for i := range large {
		large[i] = byte(i * 7)
	}
	w.Memory(100, large)
	w.Commands(large[:MaxPayload+8])
	w.Commands(nil)
	w.Word32(8, 7)
	w.Word64(16, 1<<40)
	w.Share(4096, 8192)
	w.Frame(Ping, 0, nil)
	if !w.Pending() {
		t.Error("nothing waits to be sent")
	}
	if err := w.Flush(); err != nil || w.Pending() {
		t.Fatalf("flush: %v", err)
	}
	all, err := readAll(NewReader(&b))
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	var memory, commands []byte
	var kinds []Kind
	for _, f := range all {
		switch f.Kind {
		case Memory:
			if f.Arg != 100+uint64(len(memory)) {
				t.Errorf("a piece for %d behind %d bytes", f.Arg, len(memory))
			}
			memory = append(memory, f.payload...)
		case Commands:
			commands = append(commands, f.payload...)
			if last := len(commands) == MaxPayload+8; last != (f.Arg == 0) {
				t.Errorf("commands of %d bytes so far with argument %d", len(commands), f.Arg)
			}
		default:
			kinds = append(kinds, f.Kind)
		}
	}
	if !bytes.Equal(memory, large) || !bytes.Equal(commands, large[:MaxPayload+8]) {
		t.Error("payloads differ")
	}
	if want := []Kind{Word, Word, Share, Ping}; !bytes.Equal(asBytes(kinds), asBytes(want)) {
		t.Errorf("then came %v, want %v", kinds, want)
	}
}

func asBytes(kinds []Kind) (b []byte) {
	for _, k := range kinds {
		b = append(b, byte(k))
	}
	return b
}

// A payload that nobody takes is passed over.
func TestReaderPassesOver(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Memory(0, make([]byte, 1000))
	w.Word32(4, 9)
	_ = w.Flush()
	r := NewReader(&b)
	for _, want := range []Kind{Memory, Word} {
		if h, err := r.Next(); err != nil || h.Kind != want {
			t.Fatalf("got %v, %v, want %v", h, err, want)
		}
	}
}

// Whatever comes, the reader ends with an error, and never hands out more than the bound.
func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Memory(1, make([]byte, 10))
	w.Frame(End, 2, []byte("reason"))
	_ = w.Flush()
	f.Add(b.Bytes())
	f.Add(make([]byte, HeaderSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := readAll(NewReader(bytes.NewReader(b)))
		if err == nil {
			t.Fatal("no end")
		}
		n := 0
		for _, f := range all {
			if len(f.payload) > MaxPayload || len(f.payload) != int(f.Length) {
				t.Fatalf("a payload of %d bytes in %+v", len(f.payload), f.Header)
			}
			n += HeaderSize + len(f.payload)
		}
		if n > len(b) {
			t.Fatalf("%d bytes read of %d", n, len(b))
		}
	})
}

func TestRegion(t *testing.T) {
	t.Parallel()
	r := make(Region, wire.MinRegionSize)
	for _, c := range []struct {
		offset, n, first, end uint64
		ok                    bool
	}{{8, 8, 8, 16, true}, {8, 9, 8, 16, false}, {7, 1, 8, 16, false}, {16, 0, 8, 16, true}, {17, 0, 8, 16, false}, {^uint64(0), 2, 0, 16, false}, {8, ^uint64(0), 0, 16, false}} {
		b, err := r.Range(c.offset, c.n, c.first, c.end)
		if (err == nil) != c.ok || err == nil && uint64(len(b)) != c.n {
			t.Errorf("%d bytes at %d within [%d, %d): %d bytes, %v", c.n, c.offset, c.first, c.end, len(b), err)
		}
	}
	for _, c := range []struct {
		offset uint64
		n      int
		ok     bool
	}{{4, 4, true}, {8, 8, true}, {4, 8, false}, {2, 4, false}, {8, 3, false}, {8, 0, false}} {
		if err := r.StoreWord(c.offset, make([]byte, c.n)); (err == nil) != c.ok {
			t.Errorf("store %d bytes at %d: %v", c.n, c.offset, err)
		}
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		l := Watch(a, Silence)
		for range 4 { // as long as there are signs of life, nothing happens
			l.Heard()
			time.Sleep(Silence / 2)
		}
		if l.Reason(io.EOF) != io.EOF {
			t.Fatal("closed though heard")
		}
		if _, err := a.Read(make([]byte, 1)); err == nil || !errors.Is(l.Reason(err), ErrSilent) {
			t.Errorf("after silence: %v", l.Reason(err))
		}
		c, d := net.Pipe()
		defer d.Close()
		l = Watch(c, Silence)
		l.Stop()
		l.Stop()
		time.Sleep(2 * Silence)
		if err := c.SetDeadline(time.Now()); err != nil {
			t.Errorf("closed after the watch was stopped: %v", err)
		}
	})
}

// Memory over TCP on loopback, from region to region.
func BenchmarkMemory(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const size = 16 << 20
	from, to := make([]byte, size), make([]byte, size)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		w := NewWriter(conn)
		for {
			w.Memory(0, from)
			if w.Flush() != nil {
				return
			}
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	r := NewReader(conn)
	b.SetBytes(MaxPayload)
	for b.Loop() {
		h, err := r.Next()
		if err == nil {
			err = r.Into(to[h.Arg : h.Arg+uint64(h.Length)])
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
