// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/session/record"
)

// clientProcess is a client that can be killed.
type clientProcess struct {
	*exec.Cmd
	session string
}

func startClient(t *testing.T, socket, program string) *clientProcess {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "test-client", socket, program)
	cmd.Stderr = os.Stderr
	line := startAndRead(t, cmd)
	var status int
	c := &clientProcess{Cmd: cmd}
	if _, err := fmt.Sscan(line, &status, &c.session); err != nil || status != 0 {
		t.Fatalf("client says %q, %v", line, err)
	}
	return c
}

// startAndRead starts a process and returns the first line that it prints.
func startAndRead(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	if _, err := cmd.StdinPipe(); err != nil { // held open until Wait
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("start %v: %v", cmd.Args, err)
	}
	return line
}

func TestClientKilled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	other := s.connect(t, "other")
	c := startClient(t, s.opt.Socket, "victim")
	pid := s.workerOf(t, c.session)
	c.Process.Kill()
	took := waitFor(t, "release after the client was killed", eventually, func() bool { return s.pool.leases() == 1 && !running(pid) })
	t.Logf("worker gone and lease given back after %v", took)
	if strings.Contains(s.log.String(), "killed worker") {
		t.Error("the worker has not ended by itself")
	}
	if !running(s.workerOf(t, other.welcome.Session)) {
		t.Error("the other session ended too")
	}
}

// The backstop: a worker that hangs does not hold its vGPUs for ever.
func TestClientOfAStuckWorkerKilled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := startClient(t, s.opt.Socket, "stuck")
	pid := s.workerOf(t, c.session)
	c.Process.Kill()
	start := time.Now()
	waitFor(t, "release", clientGrace+eventually, func() bool { return s.pool.leases() == 0 && !running(pid) })
	if d := time.Since(start); d < clientGrace-200*time.Millisecond {
		t.Errorf("killed after %v, want %v of grace", d, clientGrace)
	}
	waitFor(t, "line in the server's log", eventually, func() bool { return strings.Contains(s.log.String(), "killed worker") })
}

// A program that starts when another has ended, but not yet its worker, gets the vGPU once that has.
func TestVGPUsThatAreGivenBack(t *testing.T) {
	t.Parallel()
	s := serveIn(t, t.TempDir(), &fakePool{most: 1})
	c := startClient(t, s.opt.Socket, "stuck")
	begin := time.Now()
	if refused, err := dial(s.opt.Socket, hello("early")); err != nil || refused.welcome.Status != 100 || time.Since(begin) > clientGrace/2 {
		t.Fatalf("while the vGPU is in use: %v, status %d after %v; want 100 at once", err, refused.welcome.Status, time.Since(begin))
	}
	c.Process.Kill()
	c.Wait()
	s.connect(t, "next")
	if n := s.pool.leases(); n != 1 {
		t.Errorf("%d leases, want that of the next program", n)
	}
}

func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(pid int, c *client){
		"killed":  func(pid int, _ *client) { unix.Kill(pid, unix.SIGKILL) },
		"crashed": func(_ int, c *client) { c.conn.Write([]byte{1}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			other, victim := s.connect(t, "other"), s.connect(t, "victim")
			pid := s.workerOf(t, victim.welcome.Session)
			end(pid, victim)
			waitFor(t, "release after the worker's end", eventually, func() bool { return s.pool.leases() == 1 && !running(pid) })
			victim.conn.SetReadDeadline(time.Now().Add(eventually))
			if n, err := victim.conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the client reads %d bytes, %v; want the end of the connection", n, err)
			}
			if !running(s.workerOf(t, other.welcome.Session)) {
				t.Error("the other session ended too")
			}
			waitFor(t, "line in the server's log", eventually, func() bool { return strings.Contains(s.log.String(), "session over") })
		})
	}
}

func TestWorkerDiesBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if c, err := dial(s.opt.Socket, hello("dies")); !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
		t.Fatalf("dial = %+v, %v; want the end of the connection", c, err)
	}
	waitFor(t, "release", eventually, func() bool { return s.pool.leases() == 0 && len(s.Sessions()) == 0 })
	waitFor(t, "line in the server's log", eventually, func() bool { return strings.Contains(s.log.String(), "exit status 3") })
	logs, err := filepath.Glob(filepath.Join(s.opt.LogDir, "*-dies.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("session logs: %v, %v", logs, err)
	}
	if b, err := os.ReadFile(logs[0]); err != nil || !strings.Contains(string(b), "worker dies as told") {
		t.Errorf("session log holds %q, %v", b, err)
	}
}

// A server that stops leaves its workers to the next.
func TestAdoption(t *testing.T) {
	t.Parallel()
	dir, pool := t.TempDir(), &fakePool{}
	first := serveIn(t, dir, pool)
	kept, lost := first.connect(t, "kept"), first.connect(t, "lost")
	keptPID, lostPID := first.workerOf(t, kept.welcome.Session), first.workerOf(t, lost.welcome.Session)
	first.stop()
	if !running(keptPID) || !running(lostPID) || pool.leases() != 2 {
		t.Fatalf("after the stop: workers run: %v, %v; %d leases", running(keptPID), running(lostPID), pool.leases())
	}
	unix.Kill(lostPID, unix.SIGKILL)
	waitFor(t, "end of the worker", eventually, func() bool { return !running(lostPID) })

	second := serveIn(t, dir, pool)
	waitFor(t, "release of the session that ended meanwhile", eventually, func() bool { return pool.leases() == 1 })
	if got := second.Sessions(); len(got) != 1 || got[0].ID != kept.welcome.Session || got[0].Worker.PID != keptPID {
		t.Fatalf("adopted %+v", got)
	}
	kept.close()
	waitFor(t, "release of the adopted session", eventually, func() bool { return pool.leases() == 0 && !running(keptPID) })
}

// A PID that now belongs to somebody else is neither watched nor killed.
func TestAdoptionOfAReusedPID(t *testing.T) {
	t.Parallel()
	dir, pool := t.TempDir(), &fakePool{}
	first := serveIn(t, dir, pool)
	c := first.connect(t, "p")
	pid := first.workerOf(t, c.welcome.Session)
	first.stop()
	store, err := record.NewStore(record.Dir(first.opt.Socket))
	if err != nil {
		t.Fatal(err)
	}
	r := first.Sessions()[0]
	r.Worker.Start--
	if err := store.Save(r); err != nil {
		t.Fatal(err)
	}
	second := serveIn(t, dir, pool)
	waitFor(t, "release", eventually, func() bool { return pool.leases() == 0 && len(second.Sessions()) == 0 })
	if !running(pid) {
		t.Error("the process that has the worker's PID was killed")
	}
}

// oriond killed: as a process of its own, without a chance to tidy up.
func TestOriondKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "oriond.sock")
	oriond := func() *exec.Cmd {
		cmd := exec.Command("/proc/self/exe", "test-oriond", dir)
		log, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stderr = log
		startAndRead(t, cmd)
		return cmd
	}
	events := func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "pool"))
		return string(b)
	}
	var records []record.Session
	var err error
	t.Cleanup(func() {
		killRecorded(record.Dir(socket))
		for _, r := range records { // orphans, so our children: they keep their PIDs until we wait for them
			unix.Kill(r.Worker.PID, unix.SIGKILL)
			unix.Wait4(r.Worker.PID, nil, 0, nil)
		}
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "server.log"))
			t.Logf("pool: %s\nserver log:\n%s", events(), b)
		}
	})

	first := oriond()
	c := startClient(t, socket, "kept")
	stuck := startClient(t, socket, "stuck")
	first.Process.Kill()
	first.Wait()
	records, err = record.Load(record.Dir(socket))
	if err != nil || len(records) != 2 {
		t.Fatalf("records = %+v, %v", records, err)
	}
	stuck.Process.Kill() // while nobody looks
	stuck.Wait()

	second := oriond()
	waitFor(t, "end of the worker whose client died in between", clientGrace+eventually, func() bool {
		return strings.Count(events(), "release") == 1
	})
	startClient(t, socket, "new")
	c.Process.Kill()
	waitFor(t, "release of the adopted session", eventually, func() bool { return strings.Count(events(), "release") == 2 })

	second.Process.Signal(unix.SIGTERM)
	if err := second.Wait(); err != nil {
		t.Errorf("oriond ended with %v after SIGTERM", err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket remains: %v", err)
	}
}
