// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/tests/chain"
)

// prompt bounds what a user must not have to wait for: milliseconds on an idle machine.
const prompt = 15 * time.Second

// fixture is a pool with the program of testdata.
type fixture struct {
	*chain.Chain
	node    *chain.Node
	program string
}

func start(t *testing.T, o chain.Options) *fixture {
	t.Helper()
	c := chain.Start(t, o)
	return &fixture{Chain: c, node: c.Nodes[0], program: chain.CC(t, filepath.Join("testdata", "client.c"))}
}

// run starts the program with arguments, and returns it with its session once it computes.
func (f *fixture) run(t *testing.T, args ...string) (*chain.Client, record.Session) {
	t.Helper()
	p := f.Go(t, f.Env(), f.program, args...)
	p.WaitLine(t, "running")
	return p, f.node.WaitSession(t, p.Process.Pid)
}

// bystander is a program that computes and checks while the test does harm around it. The function returned
// ends it, and fails the test unless all its results were right.
func (f *fixture) bystander(t *testing.T) (check func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := f.GoInput(t, f.Env(), r, f.program, "check")
	r.Close()
	p.WaitLine(t, "running")
	return func() {
		t.Helper()
		w.Close()
		if code := p.WaitExit(t, prompt); code != 0 || !strings.HasSuffix(p.Out(), "ok\n") {
			t.Errorf("the other client ended with %d:\n%s%s", code, p.Out(), p.Err())
		}
	}
}

// alive says whether a process exists and is no zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z")
}

// gone waits until nothing is left of a session but its log, and returns how long that took.
func (f *fixture) gone(t *testing.T, s record.Session, leases int, limit time.Duration) time.Duration {
	t.Helper()
	return chain.Soon(t, "worker, region and lease of the session are gone", limit, func() bool {
		return !alive(s.Worker.PID) && len(chain.RegionUsers(s.ID)) == 0 && len(f.Pool(t).Leases) == leases
	})
}
