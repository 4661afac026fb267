// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/tests/chain"
)

// hoarding bounds how long a client may take to reach the bound on a busy machine.
const hoarding = 2 * time.Minute

// smallHostMemory is a pool where a session may take little: some ten times what a worker for software GPUs needs.
func smallHostMemory() (o chain.Options, words []string) {
	o = hostilePool
	o.HostMemoryMiB = 32
	return o, []string{"MiB of its host's memory", fmt.Sprintf("host_memory_mib in oriond's server.conf allows %d MiB", o.HostMemoryMiB)}
}

// A client that has its worker keep more and more is stopped, with the reason in words for all who look, and who
// computes beside it is not disturbed.
func TestHostMemory(t *testing.T) {
	t.Parallel()
	o, words := smallHostMemory()
	f := start(t, o)
	check := f.bystander(t)
	const context, graph, free = 16, 17, 1000 // free is the first id for what makes more and more
	one := func(op uint16, args ...any) []byte { return command(op, context, 0, 0, args...) }
	for _, c := range []struct {
		name string
		more func(s *session, id uint64) []byte // commands that take more
	}{
		{"graph nodes", func(_ *session, id uint64) []byte {
			return one(cuda.OpGraphAddHost, id, uint64(graph), uint64(0), uint64(0), uint64(1))
		}},
		{"user objects", func(_ *session, id uint64) []byte {
			return one(cuda.OpUserObjectCreate, id, uint64(1), uint64(1))
		}},
		{"events that lose their ids", func(*session, uint64) []byte {
			return one(cuda.OpCuEventCreate, uint64(free), uint64(0))
		}},
		{"modules", func(s *session, id uint64) []byte {
			n := uint64(copy(s.mem[wire.StageOffset:], sample))
			return append(one(cuda.OpImageAppend, n, s.base+wire.StageOffset, n, uint64(1)),
				one(cuda.OpModuleLoad, id, []byte{}, uint64(0))...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := f.open(t)
			s.must(t, cuda.OpPrimaryRetain, 0, uint64(0), uint64(context))
			s.must(t, cuda.OpCuGraphCreate, context, uint64(graph), uint64(0))
			begin := time.Now()
			var reason string
			ended, id := false, uint64(free)
			for ; !ended && time.Since(begin) < hoarding; reason, ended = s.ended() {
				var many []byte
				for range 100 {
					many = append(many, c.more(s, id)...)
					id++
				}
				s.put(many)
			}
			t.Logf("after %d in %v: %s", id-free, time.Since(begin).Round(time.Millisecond), reason)
			log := f.cleanEnd(t, s)
			for _, want := range words {
				if !strings.Contains(reason, want) || !strings.Contains(log, want) {
					t.Errorf("the client reads %q, the session's log\n%s\nwant %q in both", reason, log, want)
				}
			}
			f.blames(t, s.id)
		})
	}
	check()
}

// blames waits until oriond has said that a session took too much of its host.
func (f *fixture) blames(t *testing.T, session string) {
	t.Helper()
	var said string
	chain.Within(t, "oriond tells the end of session "+session, 2*prompt, func() bool {
		for line := range strings.Lines(f.node.Log()) {
			if strings.Contains(line, `"session over"`) && strings.Contains(line, session) {
				said = line
			}
		}
		return said != ""
	})
	if !strings.Contains(said, "host_memory_mib") {
		t.Errorf("oriond does not say why the session is over: %s", said)
	}
	t.Log(said)
}

// A program learns from its log why its session has ended, by shared memory and by a relay.
func TestHostMemoryOfAProgram(t *testing.T) {
	t.Parallel()
	o, words := smallHostMemory()
	r := startRelayed(t, o)
	check := r.bystander(t)
	for _, c := range []struct {
		name string
		env  []string
	}{{"host", r.Env()}, {"relay", r.EnvRelayed(r.relay)}} {
		t.Run(c.name, func(t *testing.T) {
			p := r.Go(t, c.env, r.program, "hoard")
			if code := p.WaitExit(t, hoarding); code != 3 || !strings.Contains(p.Out(), "CUDA_ERROR_") {
				t.Errorf("the program ended with %d: %s%s", code, p.Out(), p.Err())
			}
			for _, want := range words {
				if !strings.Contains(p.Err(), want) {
					t.Errorf("the program is told %q, want %q", p.Err(), want)
				}
			}
			r.WaitLeases(t, 1, 2*prompt) // the bystander's
		})
	}
	check()
}

// Memory that is shared with a program has bounds of its own, by a relay as well, where worker and relay keep it twice.
func TestHostMemoryIsNotWhatIsShared(t *testing.T) {
	t.Parallel()
	o, _ := smallHostMemory()
	r := startRelayed(t, o)
	for name, env := range map[string][]string{"host": r.Env(), "relay": r.EnvRelayed(r.relay)} {
		t.Run(name, func(t *testing.T) {
			p := r.Go(t, env, r.program, "managed")
			if code := p.WaitExit(t, hoarding); code != 0 || !strings.HasSuffix(p.Out(), "ok\n") {
				t.Errorf("the program ended with %d: %s%s", code, p.Out(), p.Err())
			}
			r.WaitLeases(t, 0, 2*prompt)
		})
	}
}

// Where a worker needs more from the start, a program is refused with the reason.
func TestHostMemoryTooSmallForAWorker(t *testing.T) {
	t.Parallel()
	o := hostilePool
	o.HostMemoryMiB = 1
	f := start(t, o)
	refused(t, f.RunEnv(t, f.Env(), f.program), "host_memory_mib in oriond's server.conf is 1", "before it runs anything")
}
