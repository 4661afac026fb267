// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/proto/wire"
)

func TestSession(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.connect(t, "/usr/bin/train me")
	if c.welcome.Size != testRegion || c.welcome.Base != wire.DefaultBase || c.welcome.Devices != 1 || c.welcome.Release != "1.2.3" {
		t.Errorf("welcome = %+v", c.welcome)
	}
	if err := c.region.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncating the region = %v, want EPERM", err)
	}
	pid := s.workerOf(t, c.welcome.Session)

	r := s.Sessions()[0]
	if r.Client.PID != os.Getpid() || r.UID != uint32(os.Getuid()) || r.Program != "/usr/bin/train me" || len(r.VGPUs) != 1 {
		t.Errorf("session = %+v", r)
	}
	if base := filepath.Base(r.Log); !strings.HasSuffix(base, "-"+r.ID+"-train_me.log") {
		t.Errorf("log is %s", base)
	}
	if onDisk, err := record.Load(record.Dir(s.opt.Socket)); err != nil || len(onDisk) != 1 || onDisk[0].Worker.PID != pid {
		t.Errorf("records on disk: %+v, %v", onDisk, err)
	}

	c.close()
	waitFor(t, "release after the client's end", eventually, func() bool { return s.pool.leases() == 0 })
	waitFor(t, "end of the worker", eventually, func() bool { return !running(pid) })
	if onDisk, err := record.Load(record.Dir(s.opt.Socket)); err != nil || len(onDisk) != 0 {
		t.Errorf("records on disk after the end: %+v, %v", onDisk, err)
	}
	waitFor(t, "last word in the session's log", eventually, func() bool {
		b, _ := os.ReadFile(r.Log)
		return strings.Contains(string(b), "session over: worker: exit status 0")
	})
}

// A worker has what it needs and nothing else.
func TestWorkerIsConfined(t *testing.T) {
	if os.Getuid() == 0 {
		t.Run("as worker_user", func(t *testing.T) {
			s := serve(t, func(o *Options) { o.WorkerUser = "nobody" })
			if m := s.connect(t, "p").welcome.Message; !strings.Contains(m, "uid=65534 ") {
				t.Errorf("worker of nobody reports %q", m)
			}
		})
	}
	before, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ORION_SECRET", "x")
	t.Setenv("LD_LIBRARY_PATH", "/usr/lib/orion/:/opt/cuda")
	s := serve(t)
	got := s.connect(t, "p").welcome.Message
	want := fmt.Sprintf("nnp=1 leader=true cwd=/ uid=%d env=LD_LIBRARY_PATH,ORION_WORKER_CONFIG,PATH fds=0,1,2,3,4,5", os.Getuid())
	if got != want {
		t.Errorf("worker reports\n%s, want\n%s", got, want)
	}
	if nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || nnp != before {
		t.Errorf("oriond itself has no_new_privs = %d, %v; it had %d", nnp, err, before)
	}
}

func TestUnknownWorkerUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("worker_user has a meaning only for root")
	}
	opt := testOptions(t.TempDir(), &fakePool{}, nil)
	opt.WorkerUser = "no-such-user"
	if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), "--worker-user") {
		t.Errorf("Open = %v, want an error that names the flag", err)
	}
}

// Sessions that come and go leave nothing behind.
func TestManySessionsStayFlat(t *testing.T) {
	s := serve(t)
	one := func() {
		c, err := dial(s.opt.Socket, hello("short"))
		if err != nil {
			t.Fatal(err)
		}
		if c.welcome.Status != 0 {
			t.Fatalf("welcome = %+v", c.welcome)
		}
		c.close()
	}
	settled := func() (fds, goroutines int) {
		waitFor(t, "release of all leases", eventually, func() bool { return s.pool.leases() == 0 && len(s.Sessions()) == 0 })
		time.Sleep(50 * time.Millisecond)
		return openFDs(t), runtime.NumGoroutine()
	}
	for range 5 {
		one()
	}
	fds, goroutines := settled()
	for range 100 {
		one()
	}
	fds2, goroutines2 := settled()
	if fds2 > fds+3 || goroutines2 > goroutines+3 {
		t.Errorf("after 100 sessions: descriptors %d -> %d, goroutines %d -> %d", fds, fds2, goroutines, goroutines2)
	}
	if n := s.reserved.Load(); n != 0 {
		t.Errorf("%d sessions still reserved", n)
	}
}

func TestMaxSessions(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *Options) { o.MaxSessions = 2 })
	first := s.connect(t, "a")
	s.connect(t, "b")
	c, err := dial(s.opt.Socket, hello("c"))
	if err != nil {
		t.Fatal(err)
	}
	c.close()
	if c.welcome.Status != 100 || !strings.Contains(c.welcome.Message, "max_sessions") {
		t.Errorf("third session: %+v", c.welcome)
	}
	first.close()
	waitFor(t, "room for another session", eventually, func() bool { return len(s.Sessions()) == 1 })
	s.connect(t, "d")
}
