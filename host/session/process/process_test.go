// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func sleeper(t *testing.T) (*exec.Cmd, *Handle) {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ref, err := Find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return cmd, h
}

func TestKillAndWait(t *testing.T) {
	t.Parallel()
	cmd, h := sleeper(t)
	done := make(chan error, 1)
	go func() { done <- h.Wait() }()
	select {
	case err := <-done:
		t.Fatalf("Wait returned %v while the process runs", err)
	case <-time.After(50 * time.Millisecond):
	}
	if h.Ended() {
		t.Error("Ended while the process runs")
	}
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Wait: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Wait did not notice the end of the process")
	}
	// Not reaped yet: a zombie has ended all the same.
	if !h.Ended() {
		t.Error("a zombie has not ended")
	}
	cmd.Wait()
	if err := h.Kill(); !errors.Is(err, ErrGone) {
		t.Errorf("Kill of a process that is gone = %v, want ErrGone", err)
	}
}

func TestCloseEndsWait(t *testing.T) {
	t.Parallel()
	_, h := sleeper(t)
	done := make(chan error, 1)
	go func() { done <- h.Wait() }()
	time.Sleep(20 * time.Millisecond)
	h.Close()
	select {
	case err := <-done:
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("Wait = %v, want ErrClosed", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Wait goes on after Close")
	}
}

// The PID of another process, as after reuse, must not pass.
func TestOpenRefusesAReusedPID(t *testing.T) {
	t.Parallel()
	ref, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ref.Start--
	if h, err := Open(ref); !errors.Is(err, ErrGone) {
		t.Errorf("Open = %v, %v; want ErrGone", h, err)
	}
	for _, pid := range []int{0, -1, 1 << 30} {
		if h, err := Open(Ref{PID: pid}); !errors.Is(err, ErrGone) {
			t.Errorf("Open(%d) = %v, %v; want ErrGone", pid, h, err)
		}
	}
}

func TestDupIsInherited(t *testing.T) {
	t.Parallel()
	_, h := sleeper(t)
	f, err := h.Dup()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("readlink", "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{f}
	out, err := cmd.Output()
	if err != nil || string(out) != "anon_inode:[pidfd]\n" && string(out[:5]) != "pidfd" {
		t.Errorf("the child has %q, %v", out, err)
	}
	// os/exec makes an inherited file blocking; the handle must go on without a thread.
	done := make(chan error, 1)
	go func() { done <- h.Wait() }()
	time.Sleep(20 * time.Millisecond)
	h.Kill()
	if err := <-done; err != nil {
		t.Errorf("Wait after Dup: %v", err)
	}
}

// Hundreds of sessions must not cost hundreds of threads.
func TestWaitOccupiesNoThread(t *testing.T) {
	before := threads(t)
	for range 30 {
		_, h := sleeper(t)
		go h.Wait()
	}
	time.Sleep(100 * time.Millisecond)
	if after := threads(t); after > before+runtime.GOMAXPROCS(0)+8 {
		t.Errorf("%d threads before, %d with 30 waits", before, after)
	}
}

func threads(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestStartTime(t *testing.T) {
	t.Parallel()
	tail := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for _, c := range []struct {
		stat string
		want uint64
		ok   bool
	}{
		{"1 (sh)" + tail, 4711, true},
		{"1 (a b) c) 1 2)" + tail, 4711, true},
		{"1 ()" + tail, 4711, true},
		{"1 (sh) S 1 2", 0, false},
		{"", 0, false},
		{"1 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -1", 0, false},
	} {
		got, err := startTime([]byte(c.stat))
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("startTime(%q) = %d, %v", c.stat, got, err)
		}
	}
}

func TestKeepDescriptors(t *testing.T) {
	fd, err := syscall.Dup(1) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := KeepDescriptors(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("readlink", fmt.Sprintf("/proc/self/fd/%d", fd)).Output(); err == nil {
		t.Errorf("a child has descriptor %d: %s", fd, out)
	}
}
