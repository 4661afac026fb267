// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
)

// A worker that is killed, or crashes, ends one client's session: that client's next call returns an error.
func TestWorkerEnds(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	check := f.bystander(t)
	for _, c := range []struct {
		name   string
		signal syscall.Signal
	}{{"killed", syscall.SIGKILL}, {"crashed", syscall.SIGSEGV}, {"aborted", syscall.SIGABRT}} {
		t.Run(c.name, func(t *testing.T) {
			p, s := f.run(t, "until-error")
			time.Sleep(50 * time.Millisecond)
			if err := syscall.Kill(s.Worker.PID, c.signal); err != nil {
				t.Fatal(err)
			}
			if code := p.WaitExit(t, prompt); code != 3 || !strings.Contains(p.Out(), "CUDA_ERROR_") {
				t.Errorf("the client ended with %d: %s%s", code, p.Out(), p.Err())
			}
			if !strings.Contains(p.Err(), "session has ended") {
				t.Errorf("the client's log does not tell the end of its session:\n%s", p.Err())
			}
			f.gone(t, s, 1, prompt)
		})
	}
	check()
}

// A client in a long wait learns of its worker's end too, not only one between two calls.
func TestWorkerKilledDuringAWait(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	p, s := f.run(t, "loop")
	time.Sleep(100 * time.Millisecond)
	syscall.Kill(s.Worker.PID, syscall.SIGKILL)
	if code := p.WaitExit(t, prompt); code != 1 {
		t.Errorf("the client ended with %d: %s%s", code, p.Out(), p.Err())
	}
	f.gone(t, s, 0, prompt)
}

// A program that waits for a callback only, and asks for nothing, is called with an error. A thread that the program
// cancels while it waits leaves no lock behind: others still learn of the worker's end.
func TestWorkerKilledUnnoticed(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"before a callback": {"callback", "2000000000"}, "after a cancellation": {"cancel"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, chain.Options{})
			p, s := f.run(t, args...)
			syscall.Kill(s.Worker.PID, syscall.SIGKILL)
			if code := p.WaitExit(t, noHang); code != 3 || !strings.Contains(p.Out(), "CUDA_ERROR_DEVICE_UNAVAILABLE") {
				t.Errorf("the client ended with %d: %s%s", code, p.Out(), p.Err())
			}
			f.gone(t, s, 0, prompt)
		})
	}
}

// A worker that is stopped, as by a debugger, holds its client up and nobody else; the client can be ended as any program
// can, and with it the worker.
func TestWorkerStopped(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	check := f.bystander(t)
	p, s := f.run(t, "loop")
	if err := syscall.Kill(s.Worker.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.WaitExit(t, noHang)
	if s := p.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGTERM {
		t.Errorf("the client was not ended by SIGTERM: %v", p.ProcessState)
	}
	t.Logf("all gone after %v", f.gone(t, s, 1, prompt))
	check()
}
