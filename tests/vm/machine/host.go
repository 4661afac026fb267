// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrUnavailable says that this machine cannot run guests, and why.
var ErrUnavailable = errors.New("no virtual machines here")

//go:embed namespace.sh
var namespace string

// Host is a libvirtd of our own. It is for concurrent use.
type Host struct {
	URI   string // leads virsh and oriond to it
	Dir   string // ours, removed by Close
	Accel Accel
	Kernel
	image string // the kernel's file
	cmd   *exec.Cmd
	life  io.WriteCloser // the daemon lives as long as this is open
	done  chan struct{}
}

// patience is how long something that always happens may take on a busy machine.
const patience = time.Minute

// Start starts a libvirtd. Close ends it, and with it all its guests. The error is ErrUnavailable where something is
// missing that a test can be skipped for.
func Start(ctx context.Context) (*Host, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: libvirt of its own needs root", ErrUnavailable)
	}
	for _, program := range []string{"libvirtd", "virsh", qemu} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w: %w; run packaging/setup test", ErrUnavailable, err)
		}
	}
	kernel, err := findKernel(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	dir, err := os.MkdirTemp("", "orion-vm-")
	if err != nil {
		return nil, fmt.Errorf("start libvirtd: %w", err)
	}
	h := &Host{Dir: dir, Kernel: kernel, done: make(chan struct{})}
	if err := h.start(ctx); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Host) start(ctx context.Context) error {
	// QEMU runs as a user of its own, and reads what we put here.
	if err := os.Chmod(h.Dir, 0o711); err != nil {
		return fmt.Errorf("start libvirtd: %w", err)
	}
	var err error
	if h.image, err = h.Kernel.copyTo(h.Dir); err != nil {
		return err
	}
	h.Accel = probe(ctx, h)
	// What libvirt finds out about QEMU takes it seconds, and stays true: it checks that itself.
	cache := filepath.Join(filepath.Dir(h.Kernel.Dir), "libvirt-"+string(h.Accel))
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("start libvirtd: %w", err)
	}
	log, err := os.Create(filepath.Join(h.Dir, "libvirtd.log"))
	if err != nil {
		return fmt.Errorf("start libvirtd: %w", err)
	}
	defer log.Close()
	h.cmd = exec.Command("/bin/bash", "-c", namespace, "libvirtd", h.Dir, cache, string(h.Accel))
	h.cmd.Stdout, h.cmd.Stderr = log, log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Setsid: true}
	if h.life, err = h.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("start libvirtd: %w", err)
	}
	if err := h.cmd.Start(); err != nil {
		h.cmd = nil
		return fmt.Errorf("%w: start libvirtd in namespaces of its own: %w", ErrUnavailable, err)
	}
	go func() { h.cmd.Wait(); close(h.done) }()

	socket := filepath.Join(h.Dir, "run", "libvirt-sock")
	h.URI = "qemu:///system?socket=" + socket
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := h.Virsh(ctx, "version"); err == nil {
			return nil
		} else if time.Now().After(end) {
			return fmt.Errorf("start libvirtd: %w\n%s", err, h.Log())
		}
		select {
		case <-h.done:
			return fmt.Errorf("%w: libvirtd has ended: %v\n%s", ErrUnavailable, h.cmd.ProcessState, h.Log())
		case <-ctx.Done():
			return fmt.Errorf("start libvirtd: %w", context.Cause(ctx))
		default:
		}
	}
}

// Log returns what libvirtd has said so far.
func (h *Host) Log() string {
	b, _ := os.ReadFile(filepath.Join(h.Dir, "libvirtd.log"))
	return string(b)
}

// Close ends all guests and libvirtd, and removes what they had.
func (h *Host) Close() error {
	if h.cmd != nil {
		h.life.Close()
		select {
		case <-h.done:
		case <-time.After(5 * time.Second):
			h.cmd.Process.Kill() // with the first process of a namespace, all end
			<-h.done
		}
	}
	return os.RemoveAll(h.Dir)
}

// Virsh runs a command of virsh and returns what it prints. An error has what it complains of.
func (h *Host) Virsh(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "virsh", append([]string{"--quiet", "--connect", h.URI}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, time.Second
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("virsh %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
