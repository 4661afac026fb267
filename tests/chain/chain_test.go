// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestChain(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Nodes: 2, GPUs: 2})
	p := c.Pool(t)
	if len(p.Nodes) != 2 || len(p.Nodes[0].Node.Gpus) != 2 || len(p.Leases) != 0 {
		t.Fatalf("pool is %v, want two idle nodes of two GPUs", p)
	}
	program := CC(t, filepath.Join("testdata", "hold.c"))
	if r := c.Run(t, program); r.Code != 0 || r.Stdout != "holding\n" {
		t.Fatalf("ended with %d\nstdout: %s\nstderr: %s", r.Code, r.Stdout, r.Stderr)
	}
	client := c.Go(t, c.EnvOf(c.Nodes[1], "ORION_VGPU=2", "ORION_GMEM=256"), program, "for ever")
	client.WaitLine(t, "holding")
	s := c.Nodes[1].WaitSession(t, client.Process.Pid)
	if len(s.VGPUs) != 2 || s.VGPUs[0].MemoryBytes != 256<<20 {
		t.Errorf("session has %+v, want two vGPUs of 256 MiB", s.VGPUs)
	}
	if users := RegionUsers(s.ID); len(users) == 0 {
		t.Error("no process uses the region of a running session")
	}
	if workers := c.workers(); len(workers) != 1 || workers[0] != s.Worker.PID {
		t.Errorf("workers are %v, want %d alone", workers, s.Worker.PID)
	}
	c.WaitLeases(t, 1, time.Second)
	client.Kill()
	c.WaitLeases(t, 0, 2*time.Second)
	Within(t, "the session's log tells its end", patience, func() bool {
		return strings.Contains(c.Nodes[1].SessionLog(t, s.ID), "session over")
	})
}

// TestWatchdog: a test binary that is killed leaves no process and no folder.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	c := &Chain{Dir: t.TempDir() + "/pool", Bin: filepath.Join(Build(t), "bin")}
	if err := syscall.Mkdir(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	sleeper := &Daemon{Name: "sleeper", path: "/bin/sleep", args: []string{"60"}, dir: c.Dir, out: &output{}}
	if err := sleeper.start(); err != nil {
		t.Fatal(err)
	}
	w := c.watch(t)
	t.Cleanup(w.dismiss)
	w.Close() // as the end of this process would
	Within(t, "the watchdog ends the daemon", patience, func() bool { return !sleeper.Running() })
	Within(t, "the watchdog removes the folder", patience, func() bool { return syscall.Access(c.Dir, 0) != nil })
}
