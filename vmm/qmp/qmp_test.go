// SPDX-License-Identifier: Apache-2.0

package qmp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
	"github.com/orion-vgpu/orion/vmm/record"
)

const eventually = time.Minute

var (
	pc  = []string{"-M", "pc"}
	q35 = []string{"-M", "q35", "-device", "pcie-root-port,id=rp0", "-device", "pcie-pci-bridge,id=br0,bus=rp0"}
)

// guest is a QEMU without a system, and two monitors: for oriond and for the test.
type guest struct {
	cmd            *exec.Cmd
	socket, second string
}

func startGuest(t *testing.T, args ...string) *guest {
	t.Helper()
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skipf("no QEMU: %v; run packaging/setup test", err)
	}
	dir := t.TempDir()
	g := &guest{socket: filepath.Join(dir, "qmp"), second: filepath.Join(dir, "qmp2")}
	args = append(args, "-accel", "tcg", "-m", "32", "-nodefaults", "-display", "none",
		"-qmp", "unix:"+g.socket+",server=on,wait=off", "-qmp", "unix:"+g.second+",server=on,wait=off")
	g.cmd = exec.Command(qemu, args...)
	g.cmd.Stderr = t.Output()
	g.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL} // when the test is killed too
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.kill)
	await(t, "QEMU's monitor", func() bool {
		conn, err := net.Dial("unix", g.second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return g
}

func (g *guest) kill() {
	g.cmd.Process.Kill()
	g.cmd.Wait()
}

// run executes a command by the test's own monitor.
func (g *guest) run(t *testing.T, command string) {
	t.Helper()
	mon, err := dial(g.second)
	if err != nil {
		t.Fatal(err)
	}
	defer mon.close()
	go func() { // somebody has to take them
		for range mon.events {
		}
	}()
	if err := mon.run(t.Context(), command, nil, nil); err != nil {
		t.Fatal(err)
	}
}

type host struct {
	*vmm.Manager
	t    *testing.T
	dir  string
	stop func()

	mu    sync.Mutex
	ended int
}

func newHost(t *testing.T) *host {
	h := &host{t: t, dir: t.TempDir()}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

// nothing is a libvirt without machines.
type nothing struct{ vmm.Hypervisor }

func (nothing) Watch(ctx context.Context, tell func(vmm.Event)) {
	tell(vmm.Event{Kind: vmm.Connected})
	<-ctx.Done()
}

func (h *host) start() {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.t.Output(), nil))
	m, err := vmm.New(vmm.Options{
		Dir: h.dir, Hypervisor: nothing{}, Logger: log,
		Dial: func(name string, m record.Monitor) vmm.Hypervisor { return New(name, m, log) },
		EndDomain: func(string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.ended++
		},
		Endpoint: func() (uint16, string) { return 9960, "" },
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

func (h *host) endings() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

func (h *host) status() vmm.Status {
	for _, s := range h.Report().Machines {
		return s
	}
	return vmm.Status{}
}

func (h *host) awaitState(want vmm.State) (s vmm.Status) {
	h.t.Helper()
	await(h.t, fmt.Sprintf("state %q", want), func() bool {
		s = h.status()
		return s.State == want
	})
	return s
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > eventually {
			t.Fatalf("%s: not within %v", what, eventually)
		}
	}
}

func awaitGone(t *testing.T, region string) {
	t.Helper()
	await(t, "removal of "+region, func() bool {
		_, err := os.Stat(filepath.Join(ivshmem.Dir, region))
		return errors.Is(err, os.ErrNotExist)
	})
}

func TestQEMU(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
	}{{"pc", pc}, {"q35", q35}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, h := startGuest(t, c.args...), newHost(t)
			if err := h.AttachMonitor("vm", record.Monitor{Socket: g.socket, Size: vmm.MinSize, CID: 5}); err != nil {
				t.Fatal(err)
			}
			s := h.awaitState(vmm.Attached)
			var stat unix.Stat_t
			if err := unix.Stat(filepath.Join(ivshmem.Dir, s.Region), &stat); err != nil || stat.Size != vmm.MinSize {
				t.Errorf("the file has %d bytes: %v", stat.Size, err)
			}
			if name, ok := h.Known(5); !ok || name != "vm" {
				t.Errorf("Known(5) = %q, %v", name, ok)
			}

			// oriond crashes, and the next finds the device.
			h.stop()
			h.start()
			if again := h.awaitState(vmm.Attached); again.Region != s.Region {
				t.Errorf("region is %s, was %s", again.Region, s.Region)
			}

			// Without a system in the guest, a reset makes it let go.
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := h.Detach(ctx, "vm"); err == nil {
				t.Error("a guest without a system has let go of the device")
			}
			before := h.endings()
			g.run(t, "system_reset")
			h.awaitState(vmm.Detached)
			awaitGone(t, s.Region)
			if h.endings() == before {
				t.Error("a reset ended no sessions")
			}
			if err := h.Attach("vm"); err != nil {
				t.Fatal(err)
			}
			region := h.awaitState(vmm.Attached).Region
			g.kill()
			awaitGone(t, region)
			await(t, "that nothing is left", func() bool { return h.status().Name == "" })
		})
	}
}

func TestQEMUEndsWhileOriondIsAway(t *testing.T) {
	t.Parallel()
	g, h := startGuest(t, pc...), newHost(t)
	if err := h.AttachMonitor("vm", record.Monitor{Socket: g.socket, Size: vmm.MinSize}); err != nil {
		t.Fatal(err)
	}
	region := h.awaitState(vmm.Attached).Region
	h.stop()
	g.kill()
	h.start()
	awaitGone(t, region)
	await(t, "that nothing is left", func() bool { return h.status().Name == "" })
}

func TestQEMUWithoutASlot(t *testing.T) {
	t.Parallel()
	g, h := startGuest(t, "-M", "q35"), newHost(t)
	if err := h.AttachMonitor("vm", record.Monitor{Socket: g.socket, Size: vmm.MinSize}); err != nil {
		t.Fatal(err)
	}
	if s := h.awaitState(vmm.Failed); !strings.Contains(s.Reason, "pcie-pci-bridge") || s.Region != "" {
		t.Errorf("status is %+v", s)
	}
	g.run(t, "query-status") // it lives
}

func TestNoMonitor(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := h.AttachMonitor("vm", record.Monitor{Socket: filepath.Join(t.TempDir(), "absent"), Size: vmm.MinSize}); err != nil {
		t.Fatal(err)
	}
	await(t, "that nothing is left", func() bool { return h.status().Name == "" })
}

// A monitor that somebody else uses gives no greeting, and an answer that never comes ends the connection.
func TestMonitorThatHangs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "qmp")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			conn.Write([]byte(`{"QMP": {"version": {}, "capabilities": []}}` + "\n" + `{"return": {}}` + "\n"))
		}
	}()
	mon, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := mon.run(ctx, "query-status", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("run() = %v", err)
	}
	mon.close()
	l.Close()
	if silent, err := net.Listen("unix", path); err != nil {
		t.Fatal(err)
	} else {
		defer silent.Close()
	}
	if _, err := dial(path); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("dial() = %v", err)
	}
}
