// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Command is a program to run in the guest.
type Command struct {
	Args  []string
	Env   []string // added to the agent's own
	Dir   string
	Stdin []byte
	User  uint32   // user id, and id of the group
	Group []uint32 // more groups
}

// Status is what a command has done so far.
type Status struct {
	Stdout, Stderr []byte
	Done           bool
	Code           int // exit status; 128 + number after a signal
	Took           time.Duration
}

// Kill names a command, by what Start returned, and a signal for it and its descendants.
type Kill struct {
	ID     int
	Signal syscall.Signal
}

// File is a file to put into the guest.
type File struct {
	Path string
	Mode os.FileMode
	Data []byte
}

// Service is the agent's side, to be registered with net/rpc. It is for concurrent use.
type Service struct {
	mu       sync.Mutex
	commands []*command
}

type command struct {
	*exec.Cmd
	mu       sync.Mutex
	out, err bytes.Buffer
	start    time.Time
	took     time.Duration
	done     chan struct{}
}

// lockedWriter lets a status be read while a command writes.
type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

// Start runs a command and returns its number.
func (s *Service) Start(c Command, id *int) error {
	if len(c.Args) == 0 {
		return errors.New("start a command: there is none")
	}
	p := &command{Cmd: exec.Command(c.Args[0], c.Args[1:]...), start: time.Now(), done: make(chan struct{})}
	p.Env, p.Dir, p.Stdin = append(os.Environ(), c.Env...), c.Dir, bytes.NewReader(c.Stdin)
	p.Stdout, p.Stderr, p.WaitDelay = lockedWriter{&p.mu, &p.out}, lockedWriter{&p.mu, &p.err}, time.Second
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.User != 0 || len(c.Group) > 0 {
		p.SysProcAttr.Credential = &syscall.Credential{Uid: c.User, Gid: c.User, Groups: c.Group}
	}
	if err := p.Cmd.Start(); err != nil {
		return fmt.Errorf("start a command: %w", err)
	}
	go func() {
		p.Cmd.Wait()
		p.mu.Lock()
		p.took = time.Since(p.start)
		p.mu.Unlock()
		close(p.done)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, p)
	*id = len(s.commands) - 1
	return nil
}

func (s *Service) command(id int) (*command, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id < 0 || id >= len(s.commands) {
		return nil, fmt.Errorf("there is no command %d", id)
	}
	return s.commands[id], nil
}

// Poll tells of a command at once.
func (s *Service) Poll(id int, status *Status) error {
	p, err := s.command(id)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		status.Done = true
		w := p.ProcessState.Sys().(syscall.WaitStatus)
		status.Code = w.ExitStatus()
		if w.Signaled() {
			status.Code = 128 + int(w.Signal())
		}
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	status.Stdout, status.Stderr, status.Took = bytes.Clone(p.out.Bytes()), bytes.Clone(p.err.Bytes()), p.took
	return nil
}

// Wait tells of a command when it has ended.
func (s *Service) Wait(id int, status *Status) error {
	p, err := s.command(id)
	if err != nil {
		return err
	}
	<-p.done
	return s.Poll(id, status)
}

// Signal sends a signal to a command and its descendants. One that has ended is no error.
func (s *Service) Signal(k Kill, _ *struct{}) error {
	p, err := s.command(k.ID)
	if err != nil {
		return err
	}
	if err := syscall.Kill(-p.Process.Pid, k.Signal); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("send %v: %w", k.Signal, err)
	}
	return nil
}

// Put writes a file, and makes its folder.
func (s *Service) Put(f File, _ *struct{}) error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return fmt.Errorf("put a file: %w", err)
	}
	// Another file: a program that runs cannot be written to.
	if err := os.Remove(f.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("put a file: %w", err)
	}
	if err := os.WriteFile(f.Path, f.Data, 0o600); err != nil {
		return fmt.Errorf("put a file: %w", err)
	}
	return os.Chmod(f.Path, f.Mode)
}

// Get reads a file.
func (s *Service) Get(path string, data *[]byte) (err error) {
	*data, err = os.ReadFile(path)
	return err
}
