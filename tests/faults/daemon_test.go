// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
)

// Programs run on while oriond is away, whether it was stopped or killed; the next one takes them over, and
// gives back the vGPUs of those that ended meanwhile.
func TestOriondRestarted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(*chain.Node, testing.TB)
	}{
		{"stopped", func(n *chain.Node, t testing.TB) { n.Stop(t) }},
		{"killed", func(n *chain.Node, t testing.TB) { n.Kill(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, chain.Options{})
			check := f.bystander(t)
			dies, gone := f.run(t, "loop")
			lives, s := f.run(t, "loop")
			c.end(f.node, t)
			dies.Kill()
			refused(t, f.Run(t, f.program), "CUDA_ERROR_NO_DEVICE", "is oriond running?")
			f.node.Restart(t)
			f.gone(t, gone, 2, prompt)
			if r := f.Run(t, f.program); r.Code != 0 {
				t.Errorf("the new oriond serves nobody: %s%s", r.Stdout, r.Stderr)
			}
			lives.Kill()
			f.gone(t, s, 1, prompt)
			check()
		})
	}
}

// Without a controller a program is told so, in bounded time; it can start as soon as there is one.
func TestNoControllerAtStart(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{NoController: true})
	r := f.Run(t, f.program)
	if r.Code != 1 || r.Took > 2*prompt {
		t.Errorf("the program ended with %d after %v: %s%s", r.Code, r.Took, r.Stdout, r.Stderr)
	}
	for _, want := range []string{"CUDA_ERROR_NO_DEVICE", "controller", f.Address} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("standard error lacks %q:\n%s", want, r.Stderr)
		}
	}
	f.RestartController(t)
	f.WaitReady(t)
	if r := f.Run(t, f.program); r.Code != 0 {
		t.Errorf("the program still cannot start: %s", r.Stderr)
	}
}

// Running programs do not notice that the controller is away. What was given back meanwhile is made good.
func TestControllerAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(*chain.Daemon, testing.TB)
	}{
		{"stopped", (*chain.Daemon).Stop},
		{"killed", (*chain.Daemon).Kill},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, chain.Options{Nodes: 2})
			check := f.bystander(t)
			p, s := f.run(t, "loop")
			c.end(f.Controller, t)
			time.Sleep(3 * time.Second) // longer than a heartbeat
			p.Kill()
			chain.Soon(t, "the worker is gone", time.Second, func() bool { return !alive(s.Worker.PID) })
			f.RestartController(t)
			f.WaitReady(t)
			f.WaitLeases(t, 1, 2*prompt)
			if r := f.Run(t, f.program); r.Code != 0 {
				t.Errorf("nothing is granted after the controller's return: %s", r.Stderr)
			}
			check()
		})
	}
}
