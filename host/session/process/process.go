// SPDX-License-Identifier: Apache-2.0

// Package process names, watches and kills processes without ever taking one for another.
//
// A PID alone is reused. Here a running process is held by a pidfd, and one that has to be named in a file
// is a Ref: its PID with the time at which it started.
package process

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrGone says that the process has ended; its PID may belong to another one by now.
var ErrGone = errors.New("process has ended")

// Handle holds a process by its pidfd. It is safe for concurrent use.
type Handle struct {
	file   *os.File
	closed atomic.Bool
}

// Open returns a handle of the process that r names. The error wraps ErrGone where that one has ended.
func Open(r Ref) (*Handle, error) {
	fd, err := unix.PidfdOpen(r.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("open process %d: %w", r.PID, ErrGone)
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", r.PID, err)
	}
	h, err := FromFD(fd)
	if err != nil {
		return nil, err
	}
	// Compared after the pidfd is held: what it holds cannot change any more.
	now, err := Find(r.PID)
	if err != nil || now != r {
		h.Close()
		return nil, fmt.Errorf("open process %d: %w", r.PID, ErrGone)
	}
	return h, nil
}

// FromFD makes a handle of a pidfd, which it owns from then on, also after an error.
func FromFD(fd int) (*Handle, error) {
	// Only a descriptor that does not block is taken up by the runtime's poller, so that a Wait
	// occupies no thread.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up pidfd: %w", err)
	}
	return &Handle{file: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// FromFile makes a handle of a pidfd that Dup returned, and owns it from then on.
func FromFile(f *os.File) *Handle { return &Handle{file: f} }

// Wait blocks until the process has ended. It returns an error that wraps os.ErrClosed when h was closed
// before that.
func (h *Handle) Wait() error {
	raw, err := h.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait for process: %w", err)
	}
	if err := raw.Read(ended); err != nil {
		if h.closed.Load() {
			err = os.ErrClosed // the poller's own error is not exported
		}
		return fmt.Errorf("wait for process: %w", err)
	}
	return nil
}

// Ended says whether the process has ended, as a zombie that awaits its parent has.
func (h *Handle) Ended() bool {
	var yes bool
	raw, err := h.file.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { yes = ended(fd) })
	return yes
}

func ended(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return err == nil && n > 0
		}
	}
}

// Kill sends SIGKILL. The error wraps ErrGone where the process has ended.
func (h *Handle) Kill() error {
	raw, err := h.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("kill process: %w", err)
	}
	var sent error
	if err := raw.Control(func(fd uintptr) {
		sent = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0)
	}); err != nil {
		return fmt.Errorf("kill process: %w", err)
	}
	if errors.Is(sent, unix.ESRCH) {
		return fmt.Errorf("kill process: %w", ErrGone)
	}
	if sent != nil {
		return fmt.Errorf("kill process: %w", sent)
	}
	return nil
}

// Dup returns the pidfd once more, for a child to inherit; the caller closes it.
func (h *Handle) Dup() (*os.File, error) {
	raw, err := h.file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("duplicate pidfd: %w", err)
	}
	var fd int
	var failed error
	if err := raw.Control(func(from uintptr) {
		fd, failed = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 3)
	}); err != nil {
		return nil, fmt.Errorf("duplicate pidfd: %w", err)
	}
	if failed != nil {
		return nil, fmt.Errorf("duplicate pidfd: %w", failed)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// Close lets go of the process and ends every Wait.
func (h *Handle) Close() error {
	h.closed.Store(true)
	return h.file.Close()
}
