// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/tests/chain"
)

// relayed is a pool whose programs come by a relay, over a network that can fail.
type relayed struct {
	*fixture
	relay *chain.Relay
	net   *proxy
	seen  map[string]bool // sessions by their ids
}

func startRelayed(t *testing.T, o chain.Options) *relayed {
	t.Helper()
	f := start(t, o)
	p := newProxy(t, f.node.DataAddress(t))
	return &relayed{f, f.StartRelay(t, "relay", p.address), p, map[string]bool{}}
}

// run starts the program, and returns it with its session once it computes.
func (r *relayed) run(t *testing.T, args ...string) (*chain.Client, record.Session) {
	t.Helper()
	p := r.Go(t, r.EnvRelayed(r.relay), r.program, args...)
	p.WaitLine(t, "running")
	var s record.Session
	chain.Within(t, "a session by the relay", prompt, func() bool {
		for _, known := range r.node.Sessions(t) {
			if known.Worker.PID != 0 && !r.seen[known.ID] {
				s = known
			}
		}
		return s.ID != ""
	})
	r.seen[s.ID] = true
	return p, s
}

// Whatever is lost between a program and its worker, the program's calls end with an error and the lease is given
// back, whether the program waits, computes, or has queued all that it can.
func TestRelayedSessionIsLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		lose   func(t *testing.T, r *relayed, sessions []record.Session)
		within time.Duration
		says   string
	}{
		{"relay killed", func(t *testing.T, r *relayed, _ []record.Session) { r.relay.Kill(t) }, prompt, ""},
		{"relay stopped", func(t *testing.T, r *relayed, _ []record.Session) { r.relay.Stop(t) }, prompt, "orion-relay was stopped"},
		{"workers killed", func(_ *testing.T, _ *relayed, all []record.Session) {
			for _, s := range all {
				syscall.Kill(s.Worker.PID, syscall.SIGKILL)
			}
		}, prompt, "oriond's worker at "},
		{"connection cut", func(_ *testing.T, r *relayed, _ []record.Session) { r.net.cut() }, prompt, ""},
		{"network silent", func(_ *testing.T, r *relayed, _ []record.Session) { r.net.held.Store(true) }, carry.Silence + prompt, "silent for too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startRelayed(t, chain.Options{GPUs: 1})
			var programs []*chain.Client
			var sessions []record.Session
			for _, what := range []string{"until-error", "loop", "flood"} {
				p, s := r.run(t, what)
				programs, sessions = append(programs, p), append(sessions, s)
			}
			c.lose(t, r, sessions)
			for _, p := range programs {
				if code := p.WaitExit(t, c.within); code == 0 {
					t.Error("the program has not seen an error")
				}
				if !strings.Contains(p.Err(), c.says) {
					t.Errorf("the program is told %q, want %q", p.Err(), c.says)
				}
			}
			for _, s := range sessions {
				r.gone(t, s, 0, c.within)
			}
		})
	}
}

// A program that ends, by itself or not, leaves nothing behind, and the relay goes on.
func TestRelayedProgramEnds(t *testing.T) {
	t.Parallel()
	r := startRelayed(t, chain.Options{GPUs: 1})
	for _, what := range []string{"loop", "flood", "until-error"} {
		p, s := r.run(t, what)
		p.Kill()
		r.gone(t, s, 0, prompt)
	}
	if got := r.RunEnv(t, r.EnvRelayed(r.relay), r.program, "once"); got.Code != 0 {
		t.Errorf("the next program ended with %d:\n%s", got.Code, got.Stderr)
	}
}

// Workers outlive oriond, those of other machines' programs too.
func TestRelayedSessionOutlivesOriond(t *testing.T) {
	t.Parallel()
	r := startRelayed(t, chain.Options{GPUs: 1})
	in, end := io.Pipe()
	p := r.GoInput(t, r.EnvRelayed(r.relay), in, r.program, "check")
	p.WaitLine(t, "running")
	r.node.Kill(t)
	r.node.Restart(t)
	time.Sleep(300 * time.Millisecond)
	end.Close()
	if code := p.WaitExit(t, prompt); code != 0 || !strings.HasSuffix(p.Out(), "ok\n") {
		t.Errorf("the program ended with %d:\n%s%s", code, p.Out(), p.Err())
	}
	r.WaitLeases(t, 0, 2*prompt)
}

// A network that passes everything on in crumbs, late, changes no result.
func TestRelayedByBadNetwork(t *testing.T) {
	t.Parallel()
	r := startRelayed(t, chain.Options{GPUs: 1})
	r.net.crumble.Store(true)
	in, end := io.Pipe()
	p := r.GoInput(t, r.EnvRelayed(r.relay), in, r.program, "check")
	p.WaitLine(t, "running")
	time.Sleep(2 * time.Second)
	end.Close()
	if code := p.WaitExit(t, prompt); code != 0 || !strings.HasSuffix(p.Out(), "ok\n") {
		t.Errorf("the program ended with %d:\n%s%s", code, p.Out(), p.Err())
	}
}

// The relay asks the controller, and goes on to the next node where one has no room. When none has, the program
// is told why.
func TestRelayFindsRoom(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{Nodes: 2, GPUs: 1, VGPUCount: 1})
	relay := f.StartRelay(t, "relay", "")
	var ends []*io.PipeWriter
	for i := range 2 {
		in, end := io.Pipe()
		ends = append(ends, end)
		p := f.GoInput(t, f.EnvRelayed(relay), in, f.program, "check")
		p.WaitLine(t, "running")
		f.WaitLeases(t, i+1, prompt)
	}
	got := f.RunEnv(t, f.EnvRelayed(relay), f.program, "once")
	if got.Code == 0 || !strings.Contains(got.Stderr, "no vGPU: ") || !strings.Contains(got.Stderr, "every vGPU is taken") {
		t.Errorf("without room a program ends with %d:\n%s", got.Code, got.Stderr)
	}
	for _, end := range ends {
		end.Close()
	}
	f.WaitLeases(t, 0, 2*prompt)
}

// Who speaks to the data port as no relay does ends its own session, and disturbs nobody.
func TestHostileRelay(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{GPUs: 1, RegionMiB: 64})
	check := f.bystander(t)
	frame := func(kind byte, arg uint64, payload ...byte) []byte {
		b := make([]byte, carry.HeaderSize, carry.HeaderSize+len(payload))
		b[0] = kind
		le.PutUint32(b[4:], uint32(len(payload)))
		le.PutUint64(b[8:], arg)
		return append(b, payload...)
	}
	word := make([]byte, 8)
	const end = 64 << 20
	for name, b := range map[string][]byte{
		"no kind":                     frame(0, 0),
		"an unknown kind":             frame(200, 0),
		"a length beyond the bound":   append(frame(byte(carry.Memory), wire.StageOffset)[:4], 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0),
		"memory of the header":        frame(byte(carry.Memory), 0, word...),
		"memory of the slots":         frame(byte(carry.Memory), wire.SlotsOffset, word...),
		"memory of the ring":          frame(byte(carry.Memory), wire.RingOffset, word...),
		"memory beyond the region":    frame(byte(carry.Memory), end-4, word...),
		"memory beyond all addresses": frame(byte(carry.Memory), 1<<64-8, word...),
		"the ring's tail":             frame(byte(carry.Word), wire.RingTail, word...),
		"a misaligned word":           frame(byte(carry.Word), wire.StatusCallTail+1, word[:4]...),
		"a word of 3 bytes":           frame(byte(carry.Word), wire.StatusCallTail, word[:3]...),
		"half a command":              frame(byte(carry.Commands), 0, word[:4]...),
		"a filler at the start":       frame(byte(carry.Filler), 64),
		"a filler of no bytes":        frame(byte(carry.Filler), 0),
		"sharing of staging":          frame(byte(carry.Share), wire.StageOffset, 0, 16, 0, 0, 0, 0, 0, 0),
		"sharing beyond the region":   frame(byte(carry.Share), end-4096, 0, 32, 0, 0, 0, 0, 0, 0),
		"sharing of half a page":      frame(byte(carry.Share), end-4096, 0, 8, 0, 0, 0, 0, 0, 0),
		"a patch cut short":           frame(byte(carry.Patch), end-4096, word...),
		"what only workers say":       frame(byte(carry.Written), 1),
		"the end":                     frame(byte(carry.End), 1),
		"a malformed command":         frame(byte(carry.Commands), 0, word...),
	} {
		t.Run(name, func(t *testing.T) {
			conn := f.stream(t)
			if _, err := conn.Write(b); err != nil {
				t.Fatal(err)
			}
			closed(t, conn)
		})
	}
	for i := range 8 {
		t.Run(fmt.Sprintf("rubbish %d", i), func(t *testing.T) {
			conn := f.stream(t)
			b := make([]byte, 10000)
			for j := range b {
				b[j] = byte(rand.Uint32())
			}
			_, _ = conn.Write(b)
			closed(t, conn)
		})
	}
	check()
	f.WaitLeases(t, 0, 2*prompt)
}

// stream opens a session as a relay does.
func (f *fixture) stream(t *testing.T) (conn net.Conn) {
	t.Helper()
	h := hello()
	h.Carrier = wire.CarrierStream
	b, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	granted(t, func() (w wire.Welcome) {
		if conn, err = net.Dial("tcp", f.node.DataAddress(t)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(2 * prompt))
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, wire.HelloSize)
		if _, err := io.ReadFull(conn, answer); err != nil {
			t.Fatal(err)
		}
		if err := w.UnmarshalBinary(answer); err != nil {
			t.Fatal(err)
		}
		return w
	})
	return conn
}

// closed waits until the other side has ended the connection.
func closed(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(prompt))
	if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("the session goes on")
	}
}
