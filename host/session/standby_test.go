// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/gpu"
)

// ready waits until the nth spare of the first GPU is ready, and returns its PID.
func (s *server) ready(t *testing.T, n int) int {
	t.Helper()
	line := regexp.MustCompile(fmt.Sprintf(`msg="worker on standby" gpu=%s worker=(\d+)`, gpu.FormatUUID(gpu.SoftUUID("test", 0))))
	var found [][]string
	waitFor(t, "a worker on standby", eventually, func() bool {
		found = line.FindAllStringSubmatch(s.log.String(), -1)
		return len(found) >= n
	})
	pid, err := strconv.Atoi(found[n-1][1])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestStandby(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *Options) { o.Standby = 1 })
	spare := s.ready(t, 1)
	c := s.connect(t, "quick")
	if pid := s.workerOf(t, c.welcome.Session); pid != spare {
		t.Errorf("the session's worker is %d, want %d, which was on standby", pid, spare)
	}
	if m := c.welcome.Message; !strings.Contains(m, "nnp=1 leader=true cwd=/") || !strings.HasSuffix(m, "fds=0,1,2,3,4,5") {
		t.Errorf("worker reports %s", m)
	}
	next := s.ready(t, 2)
	if next == spare {
		t.Errorf("worker %d is on standby and has a session", spare)
	}
	c.close()
	waitFor(t, "release after the client's end", eventually, func() bool { return s.pool.leases() == 0 })
	waitFor(t, "end of the worker", eventually, func() bool { return !running(spare) })
	s.stop()
	if running(next) {
		t.Errorf("worker %d is on standby for an oriond that has ended", next)
	}
}

// A session does without a spare that has died, and one on two GPUs takes none.
func TestStandbyIsNoNeed(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *Options) { o.Standby = 1 })
	spare := s.ready(t, 1)
	h := hello("two")
	h.VGPUs = 2
	both, err := dial(s.opt.Socket, h)
	if err != nil || both.welcome.Status != 0 {
		t.Fatalf("welcome = %+v, %v", both, err)
	}
	defer both.close()
	if pid := s.workerOf(t, both.welcome.Session); pid == spare {
		t.Errorf("a session on two GPUs has worker %d, which knows one", pid)
	}
	if err := unix.Kill(spare, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c := s.connect(t, "one")
	if pid := s.workerOf(t, c.welcome.Session); pid == spare {
		t.Errorf("session has worker %d, which is dead", pid)
	}
	waitFor(t, "word of the dead worker", eventually, func() bool {
		return strings.Contains(s.log.String(), "no worker on standby") || strings.Contains(s.log.String(), "of no use")
	})
}

func TestStandbyThatCannotStart(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *Options) {
		o.Standby = 2
		o.WorkerArgs = []string{"test-worker-that-fails"}
	})
	waitFor(t, "word of the failure", eventually, func() bool {
		return strings.Contains(s.log.String(), `msg="no worker on standby"`)
	})
}
