// SPDX-License-Identifier: Apache-2.0

// Package hybrid lets the programs of one virtual machine in by the hybrid vsock of its monitor: Firecracker,
// cloud-hypervisor and vhost-device-vsock have a unix socket PATH, and connect to PATH_PORT when a program in the
// guest connects to a port of the host. Such a machine has no memory in common with the host; what its programs do
// is carried over that connection.
package hybrid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/vmm"
)

// Port is what orion-relay in a guest asks the host for.
const Port = 9960

// pollTime is how soon the end of a monitor is noticed. Its sessions end at once, by their connections.
const pollTime = 5 * time.Second

// Serve serves the clients that come by a unix socket at path, which it makes and removes, until ctx is over.
type Serve func(ctx context.Context, path string) error

// machine implements vmm.Hypervisor for one monitor.
type machine struct {
	name, path string
	serve      Serve
	log        *slog.Logger
	poll       time.Duration

	mu    sync.Mutex
	ended bool
	fault error
	stop  func()
}

// New returns the machine whose monitor has a socket at path. It is served when it is watched.
func New(name, path string, serve Serve, log *slog.Logger) vmm.Hypervisor {
	return &machine{name: name, path: path, serve: serve, log: log, poll: pollTime, stop: func() {}}
}

// Watch implements vmm.Hypervisor. It returns when the monitor has ended.
func (h *machine) Watch(outer context.Context, tell func(vmm.Event)) {
	ctx, stop := context.WithCancel(outer)
	defer stop()
	h.mu.Lock()
	h.stop = stop
	h.mu.Unlock()
	var serving sync.WaitGroup
	serving.Go(func() {
		path := fmt.Sprintf("%s_%d", h.path, Port)
		if err := h.serve(ctx, path); err != nil && ctx.Err() == nil {
			h.mu.Lock()
			h.fault = fmt.Errorf("serve the guest at %s: %w", path, err)
			h.mu.Unlock()
			tell(vmm.Event{Kind: vmm.Changed, Machine: h.name})
		}
	})
	tell(vmm.Event{Kind: vmm.Connected, Running: []string{h.name}})
	tick := time.NewTicker(h.poll)
	defer tick.Stop()
	for ctx.Err() == nil && alive(h.path) {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	stop()
	serving.Wait()
	if outer.Err() != nil {
		return // oriond stops; the machine goes on
	}
	h.log.Info("no clients by hybrid vsock any more", "machine", h.name, "socket", h.path)
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	tell(vmm.Event{Kind: vmm.Changed, Machine: h.name})
}

// alive says whether a monitor listens at path.
func alive(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	return !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist)
}

// Machine implements vmm.Hypervisor.
func (h *machine) Machine(context.Context, string) (vmm.Machine, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return vmm.Machine{}, vmm.ErrGone
	}
	return vmm.Machine{Name: h.name, Run: "hybrid", Stream: true, Vsock: true, Fault: h.fault}, nil
}

var errStream = errors.New("its monitor has no shared memory for guests")

// Attach implements vmm.Hypervisor.
func (h *machine) Attach(context.Context, string, vmm.Device) error { return errStream }

// AttachVsock implements vmm.Hypervisor.
func (h *machine) AttachVsock(context.Context, string) error { return errStream }

// Detach implements vmm.Hypervisor: no more clients come in.
func (h *machine) Detach(context.Context, string, vmm.Device) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop()
	return nil
}

// GiveTo gives a socket that oriond made to the user of the monitor, who alone is to connect.
func GiveTo(socket, monitor string) error {
	var stat unix.Stat_t
	if err := unix.Stat(monitor, &stat); err != nil {
		return fmt.Errorf("see whose %s is: %w", monitor, err)
	}
	if int(stat.Uid) == os.Geteuid() {
		return nil
	}
	if err := os.Lchown(socket, int(stat.Uid), int(stat.Gid)); err != nil {
		return fmt.Errorf("give socket to the user of the monitor: %w", err)
	}
	return nil
}
