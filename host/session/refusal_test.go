// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/proto/wire"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(*wire.Hello)
		refusal error // of the pool
		status  uint32
		words   []string
	}{
		{"protocol version", func(h *wire.Hello) { h.Version = 99; h.Release = "0.9" }, nil, 803, []string{"0.9", "1.2.3", "99"}},
		{"specification", func(h *wire.Hello) { h.Spec = 0xabc }, nil, 803, []string{"0000000000000abc", "0000000000005eed"}},
		{"no vGPU", func(h *wire.Hello) { h.VGPUs = 0 }, nil, 1, []string{"ORION_VGPU"}},
		{"too many vGPUs", func(h *wire.Hello) { h.VGPUs = wire.MaxDevices + 1 }, nil, 1, []string{"17", "ORION_VGPU"}},
		{"ratio", func(h *wire.Hello) { h.Ratio = 101 }, nil, 1, []string{"ORION_RATIO"}},
		{"memory", func(h *wire.Hello) { h.GMemMiB = 1 << 31 }, nil, 1, []string{"ORION_GMEM"}},
		{"pool is full", nil, errors.New("no vGPU is free"), 100, []string{"no vGPU is free"}},
		{"pool lacks memory", nil, fmt.Errorf("the largest free is 7 MiB: %w", ErrOutOfMemory), 2, []string{"7 MiB"}},
		{"foreign GPU", func(h *wire.Hello) { h.VGPUs = 3 }, nil, 304, []string{"is not on this node"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.pool.refusal = c.refusal
			h := hello("p")
			if c.change != nil {
				c.change(&h)
			}
			got, err := dial(s.opt.Socket, h)
			if err != nil {
				t.Fatal(err)
			}
			defer got.close()
			if got.welcome.Status != c.status || got.region != nil {
				t.Errorf("welcome = %+v, region %v; want status %d and no region", got.welcome, got.region, c.status)
			}
			for _, w := range c.words {
				if !strings.Contains(got.welcome.Message, w) {
					t.Errorf("message %q lacks %q", got.welcome.Message, w)
				}
			}
			s.mustBeUntouched(t)
			waitFor(t, "line in the server's log", eventually, func() bool { return strings.Contains(s.log.String(), "handshake refused") })
		})
	}
}

// mustBeUntouched checks that a failed handshake left no lease, no session and no session log.
func (s *server) mustBeUntouched(t *testing.T) {
	t.Helper()
	waitFor(t, "end of the handshake", eventually, func() bool { return len(s.Sessions()) == 0 && s.pool.leases() == 0 })
	if logs, err := os.ReadDir(s.opt.LogDir); err != nil || len(logs) != 0 {
		t.Errorf("session logs after a failed handshake: %v, %v", logs, err)
	}
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		bytes  []byte
		answer bool
	}{
		{"wrong magic", []byte(strings.Repeat("GET / HTTP/1.1\r\n", 32)), true},
		{"zeros", make([]byte, wire.HelloSize), true},
		{"a flood", make([]byte, 100*wire.HelloSize), false}, // the answer may be lost with the rest of the flood
		{"cut short", make([]byte, 17), false},
		{"nothing", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.opt.Socket, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			conn.Write(c.bytes)
			conn.CloseWrite()
			got := &client{conn: conn}
			err = got.receive()
			got.close()
			if c.answer && (err != nil || got.welcome.Status != 1) {
				t.Errorf("answer = %+v, %v; want status 1", got.welcome, err)
			}
			if got.region != nil {
				t.Error("garbage got a region")
			}
			s.mustBeUntouched(t)
			s.connect(t, "others go on")
		})
	}
}

// A client that dawdles is turned away, and keeps nobody waiting meanwhile.
func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	s := serve(t)
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.opt.Socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	slow := &client{conn: conn}
	defer slow.close()
	conn.Write(make([]byte, 100))
	start := time.Now()
	s.connect(t, "fast")
	if d := time.Since(start); d > handshakeTimeout {
		t.Errorf("another client waited %v", d)
	}
	if err := slow.receive(); err != nil || slow.welcome.Status != 1 || !strings.Contains(slow.welcome.Message, "100 of 512 bytes") {
		t.Errorf("answer = %+v, %v", slow.welcome, err)
	}
	if d := time.Since(start); d < handshakeTimeout-time.Second || d > handshakeTimeout+eventually {
		t.Errorf("turned away after %v, want %v", d, handshakeTimeout)
	}
}

// Stopping does not wait for clients that dawdle or for a pool that does not answer.
func TestStopInHandshake(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.pool.hang = true
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.opt.Socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := make(chan *client, 1)
	go func() {
		c, _ := dial(s.opt.Socket, hello("waits for the pool"))
		answers <- c
	}()
	waitFor(t, "both handshakes", eventually, func() bool {
		s.admission.mu.Lock()
		defer s.admission.mu.Unlock()
		return s.admission.total == 2
	})
	start := time.Now()
	s.stop()
	if d := time.Since(start); d > handshakeTimeout-time.Second {
		t.Errorf("stopping took %v", d)
	}
	c := <-answers
	if c == nil {
		t.Fatal("the client got no answer")
	}
	defer c.close()
	if c.welcome.Status != 304 || !strings.Contains(c.welcome.Message, "stopping") {
		t.Errorf("answer = %+v", c.welcome)
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	var a admission
	fill := func(local bool, source func(i int) string) (n int) {
		for n < maxHandshakes+1 && a.enter(source(n), local) {
			n++
		}
		return n
	}
	one := func(source string) func(int) string { return func(int) string { return source } }
	many := func(i int) string { return fmt.Sprint("10.0.0.", i) }
	if n := fill(false, one("10.9.9.9")); n != maxHandshakesPerRemote {
		t.Errorf("one machine has %d handshakes", n)
	}
	if n := fill(false, many); n != maxRemoteHandshakes-maxHandshakesPerRemote {
		t.Errorf("other machines have %d handshakes beside", n)
	}
	if n := fill(true, one("uid:1")); n != maxHandshakesPerSource || a.total != maxHandshakes {
		t.Errorf("one user has %d handshakes, %d are under way", n, a.total)
	}
	if a.enter("uid:2", true) {
		t.Error("more than all handshakes admitted")
	}
	a.leave("uid:1", true)
	if !a.enter("uid:2", true) {
		t.Error("no room after one has left")
	}
	for range maxHandshakesPerSource - 1 {
		a.leave("uid:1", true)
	}
	for range maxHandshakesPerRemote {
		a.leave("10.9.9.9", false)
	}
	if len(a.bySource) != 1+maxRemoteHandshakes-maxHandshakesPerRemote || a.remote != maxRemoteHandshakes-maxHandshakesPerRemote || a.total != a.remote+1 {
		t.Errorf("after most have left: %d sources, %d remote, %d in total", len(a.bySource), a.remote, a.total)
	}
}

// Whatever a client sends, it is refused in words or it is within bounds.
func FuzzHello(f *testing.F) {
	h := hello("p")
	good, _ := h.MarshalBinary()
	f.Add(good)
	f.Add(make([]byte, wire.HelloSize))
	s := &Server{opt: Options{Spec: testSpec, Release: "1.2.3"}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h wire.Hello
		if h.UnmarshalBinary(b) != nil {
			return
		}
		err := s.check(h)
		var r *refusal
		if err != nil && (!errors.As(err, &r) || r.status == 0 || r.message == "") {
			t.Errorf("check = %v without words", err)
		}
		if err == nil && (h.VGPUs < 1 || h.VGPUs > wire.MaxDevices || h.Ratio > 100 || h.Spec != testSpec) {
			t.Errorf("%+v passed", h)
		}
		if name := fileName(h.Program); name == "" || len(name) > 40 || strings.ContainsAny(name, "/\x00\n") || name[0] == '.' {
			t.Errorf("file name %q", name)
		}
	})
}
