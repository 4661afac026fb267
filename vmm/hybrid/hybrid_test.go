// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/record"
)

// host serves clients by saying hello.
type host struct {
	*vmm.Manager
	t    *testing.T
	dir  string
	stop func()
}

func newHost(t *testing.T) *host {
	h := &host{t: t, dir: t.TempDir()}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

func greet(ctx context.Context, path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil
		}
		conn.Write([]byte("hello"))
		conn.Close()
	}
}

// nothing is a libvirt without machines.
type nothing struct{ vmm.Hypervisor }

func (nothing) Watch(ctx context.Context, tell func(vmm.Event)) {
	tell(vmm.Event{Kind: vmm.Connected})
	<-ctx.Done()
}

func (h *host) start() {
	h.t.Helper()
	m, err := vmm.New(vmm.Options{
		Dir: h.dir, Hypervisor: nothing{}, Logger: slog.New(slog.DiscardHandler),
		Dial: func(name string, m record.Monitor) vmm.Hypervisor {
			hv := New(name, m.Vsock, greet, slog.New(slog.DiscardHandler)).(*machine)
			hv.poll = 10 * time.Millisecond
			return hv
		},
		EndDomain: func(string) {},
		Endpoint:  func() (uint16, string) { return 9960, "" },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	h.Manager, h.stop = m, sync.OnceFunc(func() { cancel(); running.Wait() })
	await(h.t, "the manager", func() bool { return m.Report().Hypervisor == "" })
}

func (h *host) status(name string) vmm.Status {
	for _, s := range h.Report().Machines {
		if s.Name == name {
			return s
		}
	}
	return vmm.Status{}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("%s: not within 20s", what)
		}
	}
}

// newMonitor listens as a monitor does, and drops who connects.
func newMonitor(t *testing.T) (path string, end func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "v.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // as one that was killed
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	end = sync.OnceFunc(func() { l.Close() })
	t.Cleanup(end)
	return path, end
}

// knock is what a monitor does for its guest.
func knock(path string) bool {
	conn, err := net.Dial("unix", fmt.Sprintf("%s_%d", path, Port))
	if err != nil {
		return false
	}
	defer conn.Close()
	b := make([]byte, 5)
	n, _ := conn.Read(b)
	return string(b[:n]) == "hello"
}

func TestClientsComeIn(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	path, end := newMonitor(t)
	if err := h.AttachMonitor("fc", record.Monitor{Vsock: path}); err != nil {
		t.Fatal(err)
	}
	await(t, "a client", func() bool { return knock(path) })
	await(t, "the state", func() bool { return h.status("fc").State == vmm.Attached })
	if s := h.status("fc"); s.Hybrid != path || s.Region != "" {
		t.Errorf("status is %+v", s)
	}
	h.stop()
	if knock(path) {
		t.Error("clients come in while oriond is away")
	}
	h.start()
	await(t, "a client of the next oriond", func() bool { return knock(path) })
	end()
	await(t, "the end", func() bool { return h.status("fc").Name == "" })
	if knock(path) {
		t.Error("clients come in after the monitor's end")
	}
	if left, _ := os.ReadDir(h.dir); len(left) != 0 {
		t.Errorf("%d records are left", len(left))
	}
}

func TestDetach(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	path, _ := newMonitor(t)
	if err := h.AttachMonitor("fc", record.Monitor{Vsock: path}); err != nil {
		t.Fatal(err)
	}
	await(t, "a client", func() bool { return knock(path) })
	if err := h.Detach(t.Context(), "fc"); err != nil {
		t.Fatal(err)
	}
	await(t, "the end", func() bool { return h.status("fc").Name == "" && !knock(path) })
}

func TestFailures(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := h.AttachMonitor("", record.Monitor{Vsock: "/x"}); err == nil {
		t.Error("attached without a name")
	}
	if err := h.AttachMonitor("x", record.Monitor{}); err == nil {
		t.Error("attached without a socket")
	}
	if err := h.AttachMonitor("absent", record.Monitor{Vsock: filepath.Join(t.TempDir(), "v.sock")}); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of what never was", func() bool { return h.status("absent").Name == "" })

	path, _ := newMonitor(t)
	taken, err := net.Listen("unix", fmt.Sprintf("%s_%d", path, Port))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := h.AttachMonitor("fc", record.Monitor{Vsock: path}); err != nil {
		t.Fatal(err)
	}
	await(t, "the failure", func() bool { return h.status("fc").State == vmm.Failed })
	if s := h.status("fc"); !strings.Contains(s.Reason, "address already in use") {
		t.Errorf("status is %+v", s)
	}
}

func TestGiveTo(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("giving a file away needs root")
	}
	dir := t.TempDir()
	monitor, socket := filepath.Join(dir, "m"), filepath.Join(dir, "s")
	if err := errors.Join(os.WriteFile(monitor, nil, 0o600), os.WriteFile(socket, nil, 0o600), os.Chown(monitor, 1234, 2345)); err != nil {
		t.Fatal(err)
	}
	if err := GiveTo(socket, monitor); err != nil {
		t.Fatal(err)
	}
	f, err := os.Stat(socket)
	if err != nil || !strings.Contains(fmt.Sprintf("%+v", f.Sys()), "Uid:1234 Gid:2345") {
		t.Errorf("the socket is %+v, %v", f.Sys(), err)
	}
	if err := GiveTo(socket, filepath.Join(dir, "absent")); err == nil {
		t.Error("gave it to nobody")
	}
}
