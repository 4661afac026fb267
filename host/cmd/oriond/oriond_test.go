// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/tests/loopback"
)

var http1 http.Client

func TestSessionThroughThePool(t *testing.T) {
	t.Parallel()
	c := startController(t, "127.0.0.1:0")
	n := newNode(t, c.addr)
	oriond := n.start(t)
	c.waitForNode(t)

	w, conn := n.connect(t, func(h *wire.Hello) { h.VGPUs = 2 })
	if w.Status != 0 || w.Devices != 2 || w.Size != 128<<20 {
		t.Fatalf("welcome = %+v", w)
	}
	leases := c.list(t).Leases
	if len(leases) != 1 || leases[0].Program != "train" || leases[0].Pid != int64(os.Getpid()) || len(leases[0].Vgpus) != 2 {
		t.Errorf("the pool has %v", leases)
	}
	var sessions []record.Session
	if err := json.Unmarshal([]byte(n.output(t, "sessions", "list", "-o", "json")), &sessions); err != nil {
		t.Fatal(err)
	}
	if len(sessions) != 1 || sessions[0].ID != w.Session || sessions[0].Lease != leases[0].Id {
		t.Errorf("sessions list = %+v", sessions)
	}
	if out := n.output(t, "sessions", "list"); !strings.Contains(out, w.Session) || !strings.Contains(out, "512 MiB") {
		t.Errorf("sessions list:\n%s", out)
	}
	conn.Close()
	c.waitForLeases(t, 0, soon)
	stopped(t, oriond)
}

func TestRefusedForMemory(t *testing.T) {
	t.Parallel()
	c := startController(t, "127.0.0.1:0")
	n := newNode(t, c.addr, "softgpu_memory_mib = 1024")
	n.start(t)
	c.waitForNode(t)
	w, _ := n.connect(t, func(h *wire.Hello) { h.GMemMiB = 4096 })
	if w.Status != 2 || !strings.Contains(w.Message, "4096 MiB") || !strings.Contains(w.Message, "1024 MiB") {
		t.Errorf("welcome = %+v", w)
	}
	w, _ = n.connect(t, func(h *wire.Hello) { h.VGPUs = 3 })
	if w.Status != 100 || !strings.Contains(w.Message, "3 vGPUs") {
		t.Errorf("welcome = %+v", w)
	}
}

func TestSessionsKill(t *testing.T) {
	t.Parallel()
	c := startController(t, "127.0.0.1:0")
	n := newNode(t, c.addr)
	oriond := n.start(t)
	c.waitForNode(t)
	one, conn := n.connect(t)
	n.connect(t)
	n.connect(t)

	n.output(t, "sessions", "kill", one.Session)
	c.waitForLeases(t, 2, soon)
	conn.SetReadDeadline(time.Now().Add(eventually))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the client of a killed session reads %v", err)
	}
	if out, err := n.command("sessions", "kill", one.Session).CombinedOutput(); err == nil || !strings.Contains(string(out), one.Session) {
		t.Errorf("killing it again: %v, %s", err, out)
	}
	for _, args := range [][]string{{}, {"--all", one.Session}} {
		if out, err := n.command(append([]string{"sessions", "kill"}, args...)...).CombinedOutput(); err == nil {
			t.Errorf("sessions kill %v succeeded: %s", args, out)
		}
	}

	stopped(t, oriond) // sessions can be ended without oriond too
	if out := n.output(t, "sessions", "kill", "--all"); strings.Count(out, "ended session") != 2 {
		t.Errorf("sessions kill --all: %s", out)
	}
	n.start(t)
	c.waitForLeases(t, 0, eventually)
}

func TestControllerAway(t *testing.T) {
	t.Parallel()
	c := startController(t, loopback.Listen())
	c.stop()
	n := newNode(t, c.addr)
	n.start(t)
	start := time.Now()
	w, _ := n.connect(t)
	if w.Status != 100 || !strings.Contains(w.Message, "orion-controller at "+c.addr) {
		t.Errorf("welcome = %+v", w)
	}
	if d := time.Since(start); d > 6*time.Second {
		t.Errorf("refused after %v", d)
	}

	c = startController(t, c.addr)
	c.waitForNode(t)
	kept, conn := n.connect(t)
	ended, endedConn := n.connect(t)
	if kept.Status != 0 || ended.Status != 0 {
		t.Fatalf("welcome = %+v, %+v", kept, ended)
	}
	c.stop() // in the middle: sessions do not notice, and may end meanwhile
	endedConn.Close()
	waitFor(t, "end of a session while the controller is away", soon, func() bool {
		return !strings.Contains(n.output(t, "sessions", "list"), ended.Session)
	})
	c = startController(t, c.addr)
	c.waitForLeases(t, 1, eventually)
	if out := n.output(t, "sessions", "list"); !strings.Contains(out, kept.Session) {
		t.Errorf("sessions list:\n%s", out)
	}
	conn.Close()
	c.waitForLeases(t, 0, soon)
}

func TestRestart(t *testing.T) {
	t.Parallel()
	c := startController(t, "127.0.0.1:0")
	n := newNode(t, c.addr)
	for _, end := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		oriond := n.start(t)
		c.waitForNode(t)
		w, conn := n.connect(t)
		if w.Status != 0 {
			t.Fatalf("welcome = %+v", w)
		}
		oriond.Process.Signal(end)
		oriond.Wait()
		oriond = n.start(t)
		c.waitForLeases(t, 1, eventually)
		n.connect(t)
		c.waitForLeases(t, 2, eventually)
		conn.Close()
		c.waitForLeases(t, 1, soon)
		n.output(t, "sessions", "kill", "--all")
		c.waitForLeases(t, 0, soon)
		stopped(t, oriond)
	}
}

// As root oriond gives its workers another user, and their memory to nobody else of that user.
func TestWorkerUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give workers another user")
	}
	c := startController(t, "127.0.0.1:0")
	n := newNode(t, c.addr)
	n.start(t, "--worker-user", "nobody")
	c.waitForNode(t)
	w, _ := n.connect(t)
	if w.Status != 0 {
		t.Fatalf("welcome = %+v", w)
	}
	var sessions []record.Session
	if err := json.Unmarshal([]byte(n.output(t, "sessions", "list", "-o", "json")), &sessions); err != nil || len(sessions) != 1 {
		t.Fatalf("sessions list = %+v, %v", sessions, err)
	}
	proc := fmt.Sprintf("/proc/%d", sessions[0].Worker.PID)
	status, err := os.ReadFile(proc + "/status")
	if err != nil || !strings.Contains(string(status), "Uid:\t65534\t65534\t65534\t65534\n") || !strings.Contains(string(status), "NoNewPrivs:\t1\n") {
		t.Errorf("worker: %s, %v", status, err)
	}
	if score, err := os.ReadFile(proc + "/oom_score_adj"); err != nil || strings.TrimSpace(string(score)) != "500" {
		t.Errorf("where memory runs out, the worker ends at %q, %v; want 500, before oriond", score, err)
	}
	var owner unix.Stat_t // root's, unless the process may be dumped
	if err := unix.Stat(proc+"/mem", &owner); err != nil || owner.Uid != 0 {
		t.Errorf("the worker's memory belongs to user %d, %v; want 0", owner.Uid, err)
	}
}

// The figures that the README promises.
func TestIdleCost(t *testing.T) {
	c := startController(t, "127.0.0.1:0")
	n := newNode(t, c.addr)
	oriond := n.start(t)
	c.waitForNode(t)
	time.Sleep(time.Second) // past the start
	before := cpuTime(t, oriond.Process.Pid)
	const span = 5 * time.Second
	time.Sleep(span)
	used := cpuTime(t, oriond.Process.Pid) - before
	share := float64(used) / float64(span) * 100
	rss := residentKiB(t, oriond.Process.Pid)
	t.Logf("idle: %.3f %% of a core, %d KiB resident", share, rss)
	if share > 0.5 && !raceEnabled {
		t.Errorf("%.3f %% of a core, want less than 0.5 %%", share)
	}
	if rss > 64<<10 && !raceEnabled {
		t.Errorf("%d KiB resident, want at most 64 MiB", rss)
	}
}

// cpuTime sums the running time of a process's threads.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		t.Skipf("this kernel does not count run time by thread: %v", err)
	}
	var total time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that ended
		}
		first, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += time.Duration(ns)
	}
	return total
}

func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); !ok || err != nil {
		t.Fatalf("no VmRSS: %v", err)
	}
	return kib
}
