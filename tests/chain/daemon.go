// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Daemon is orion-controller or oriond. It belongs to the goroutine of its test.
type Daemon struct {
	Name string
	path string
	args []string
	dir  string
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// output collects what a daemon prints over all its runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (d *Daemon) start() error {
	d.cmd = exec.Command(d.path, d.args...)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	d.cmd.Env = cleanEnv("HOME=" + d.dir)
	// A group of its own: an interrupt from the terminal reaches the test first, which stops it in order.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Workers hold the daemon's descriptors of pipes no longer than they must: do not wait for them.
	d.cmd.WaitDelay = time.Second
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", d.Name, err)
	}
	pid := strconv.Itoa(d.cmd.Process.Pid)
	if err := os.WriteFile(filepath.Join(d.dir, d.Name+".pid"), []byte(pid), 0o600); err != nil {
		return fmt.Errorf("start %s: %w", d.Name, err)
	}
	done := make(chan struct{})
	d.done = done
	go func(cmd *exec.Cmd) { cmd.Wait(); close(done) }(d.cmd)
	return nil
}

// PID returns the process id of the present run.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Running says whether the process runs.
func (d *Daemon) Running() bool {
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// Log returns what the daemon has printed so far.
func (d *Daemon) Log() string { return d.out.String() }

// Stop ends the daemon as systemd does, and fails the test unless it ends well within 10 s.
func (d *Daemon) Stop(t testing.TB) {
	t.Helper()
	d.signal(t, syscall.SIGTERM)
	if s := d.cmd.ProcessState; s.ExitCode() != 0 {
		t.Errorf("%s ended with %v after SIGTERM", d.Name, s)
	}
}

// Kill ends the daemon without a chance to clean up.
func (d *Daemon) Kill(t testing.TB) {
	t.Helper()
	d.signal(t, syscall.SIGKILL)
}

func (d *Daemon) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if !d.Running() {
		t.Errorf("%s has ended by itself: %v", d.Name, d.cmd.ProcessState)
		return
	}
	if err := d.cmd.Process.Signal(s); err != nil {
		t.Errorf("stop %s: %v", d.Name, err)
	}
	select {
	case <-d.done:
	case <-time.After(patience):
		d.cmd.Process.Kill()
		<-d.done
		t.Errorf("%s did not end within %v of %v", d.Name, patience, s)
	}
}
