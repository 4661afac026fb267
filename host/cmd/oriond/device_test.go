// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/session"
	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/loopback"
	"github.com/orion-vgpu/orion/tests/machine"
)

// Programs that find their way by an ivshmem device, as in a virtual machine, with real workers and the real
// client library. Only the machine is missing.

// anyPool grants shares of two software GPUs.
type anyPool struct {
	gpus   gpu.Inventory
	next   atomic.Int64
	leases atomic.Int64
}

func (p *anyPool) Grant(_ context.Context, r session.Request) (session.Lease, error) {
	devices, err := p.gpus.Devices()
	if err != nil || r.VGPUs > len(devices) {
		return session.Lease{}, errors.Join(err, fmt.Errorf("%d vGPUs of %d", r.VGPUs, len(devices)))
	}
	lease := session.Lease{ID: fmt.Sprint("lease-", p.next.Add(1))}
	for i := range r.VGPUs {
		lease.VGPUs = append(lease.VGPUs, record.VGPU{GPU: i, UUID: devices[i].UUID, MemoryBytes: 256 << 20, RatioPercent: 25})
	}
	p.leases.Add(1)
	return lease, nil
}

func (p *anyPool) Release(context.Context, string) error {
	p.leases.Add(-1)
	return nil
}

// vmHost is an oriond with TCP for its only entrance, in this process; its workers are processes.
type vmHost struct {
	*session.Server
	domains *machine.Host
	pool    *anyPool
	address netip.AddrPort
	dir     string
	log     output
	stop    func()
}

func newVMHost(t *testing.T) *vmHost {
	t.Helper()
	gpus, err := gpu.NewSoft("test", 2, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	h := &vmHost{domains: machine.NewHost(t), pool: &anyPool{gpus: gpus}, dir: t.TempDir(),
		address: netip.AddrPortFrom(loopback.Address(), 0)}
	h.start(t)
	t.Cleanup(func() {
		h.stop()
		found, _ := record.Load(filepath.Join(h.dir, "o.sessions"))
		for _, r := range found {
			unix.Kill(r.Worker.PID, unix.SIGKILL)
		}
		if t.Failed() {
			t.Logf("oriond:\n%s", &h.log)
		}
	})
	return h
}

// start runs oriond, at the address of the run before.
func (h *vmHost) start(t *testing.T) {
	t.Helper()
	l, err := entrance.ListenTCP(h.address.String())
	if err != nil {
		t.Fatal(err)
	}
	h.address = l.Addr().(*net.TCPAddr).AddrPort()
	h.Server, err = session.Open(session.Options{
		Socket: filepath.Join(h.dir, "o.sock"), NoListen: true, Listeners: []*entrance.Listener{l}, Domains: h.domains,
		LogDir: filepath.Join(h.dir, "log"), WorkerLogLevel: "DEBUG", Node: "test", Release: "test", Spec: cuda.SpecHash, RegionBytes: 64 << 20,
		Pool: h.pool, GPUs: h.pool.gpus, Logger: slog.New(slog.NewTextHandler(&h.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("oriond: %v", err)
		}
	})
}

// guest is a machine with what a program in it needs.
type guest struct {
	*machine.Machine
	host    *vmHost
	conf    string
	lib     string
	program string
}

func (h *vmHost) guest(t *testing.T, name string, size uint64) *guest {
	t.Helper()
	return h.guestBy(t, name, size, h.address)
}

// guestBy is guest with another address for oriond's.
func (h *vmHost) guestBy(t *testing.T, name string, size uint64, oriond netip.AddrPort) *guest {
	t.Helper()
	g := &guest{Machine: h.domains.Add(t, name, uint32(3+len(name)), size, oriond), host: h,
		lib: filepath.Join(chain.Build(t), "lib"), program: chain.CC(t, filepath.Join("testdata", "device.c"))}
	g.conf = filepath.Join(t.TempDir(), "client.conf")
	text := fmt.Sprintf("[log]\nlog_to_file = false\nlog_level = DEBUG\n[client]\nsocket = %[1]s/none.sock\nrelay_socket = %[1]s/none.sock\n", h.dir)
	if err := os.WriteFile(g.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// output may be read while it is written.
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

// program is a running program.
type program struct {
	*exec.Cmd
	out, err output
	done     chan struct{}
}

// run starts the program in the guest.
func (g *guest) run(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	p := &program{Cmd: exec.CommandContext(ctx, g.program, args...), done: make(chan struct{})}
	p.Env = []string{"PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + g.lib, "ORION_VGPU=1", "ORION_CONFIG=" + g.conf, "ORION_PCI_DIR=" + g.PCI}
	p.Stdout, p.Stderr, p.WaitDelay = &p.out, &p.err, time.Second
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Wait(); close(p.done) }()
	t.Cleanup(func() {
		cancel()
		<-p.done
		if t.Failed() {
			t.Logf("%s in %s printed\n%s%s", p.Path, g.Name, &p.out, &p.err)
		}
	})
	return p
}

func (p *program) waitLine(t *testing.T, line string) {
	t.Helper()
	waitFor(t, "the program prints "+line, time.Minute, func() bool {
		select {
		case <-p.done:
			t.Fatalf("the program ended with %v before it printed %q:\n%s%s", p.ProcessState, line, &p.out, &p.err)
		default:
		}
		return strings.Contains(p.out.String(), line+"\n")
	})
}

// exit waits for the program's end.
func (p *program) exit(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		t.Fatalf("the program goes on after %v:\n%s%s", limit, &p.out, &p.err)
	}
	return p.ProcessState.ExitCode()
}

func (g *guest) waitUnused(t *testing.T) {
	t.Helper()
	waitFor(t, "slices of "+g.Name+" are free", eventually, func() bool { return g.SlicesInUse() == 0 })
	const header = 64 << 10
	if used := g.Blocks(t); used > header {
		t.Errorf("the region of %s still takes %d bytes", g.Name, used)
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	h := newVMHost(t)
	g := h.guest(t, "vm", 64<<20)
	p := g.run(t)
	if code := p.exit(t, time.Minute); code != 0 || p.out.String() != "right\n" {
		t.Fatalf("ended with %d\n%s%s", code, &p.out, &p.err)
	}
	if !strings.Contains(p.err.String(), "by ivshmem device 0000:00:05.0 (resource2: ") || !strings.Contains(p.err.String(), "TCP at "+h.address.Addr().String()) {
		t.Errorf("the log does not tell the way:\n%s", &p.err)
	}
	g.waitUnused(t)
}

// Two machines, and two programs in each: none sees or disturbs another.
func TestDevices(t *testing.T) {
	t.Parallel()
	h := newVMHost(t)
	var all []*program
	guests := []*guest{h.guest(t, "one", 128<<20), h.guest(t, "other", 128<<20)}
	for range 2 {
		for _, g := range guests {
			all = append(all, g.run(t))
		}
	}
	for _, p := range all {
		if code := p.exit(t, 2*time.Minute); code != 0 || p.out.String() != "right\n" {
			t.Errorf("ended with %d\n%s%s", code, &p.out, &p.err)
		}
	}
	for _, g := range guests {
		g.waitUnused(t)
	}
}

// A device that is too small for one more program says so, and serves it when another has ended.
func TestDeviceFull(t *testing.T) {
	t.Parallel()
	h := newVMHost(t)
	g := h.guest(t, "vm", 64<<20)
	first := g.run(t, "hold")
	first.waitLine(t, "round")
	second := g.run(t)
	if code := second.exit(t, time.Minute); code != 1 || !strings.Contains(second.err.String(), "all of the region is in use") ||
		!strings.Contains(second.err.String(), "CUDA_ERROR_NO_DEVICE") {
		t.Errorf("ended with %d:\n%s", code, &second.err)
	}
	first.Process.Kill()
	first.exit(t, eventually)
	g.waitUnused(t)
	if code := g.run(t).exit(t, time.Minute); code != 0 {
		t.Errorf("a program after the first ended with %d", code)
	}
}

// A program that is killed leaves nothing: its slice is free and reads as zeros, its lease is given back.
func TestDeviceClientKilled(t *testing.T) {
	t.Parallel()
	h := newVMHost(t)
	g := h.guest(t, "vm", 64<<20)
	p := g.run(t, "hold")
	p.waitLine(t, "round")
	word := []byte{0x7a, 0xda, 0x0d, 0x60} // what it has put into pinned memory
	if b, err := os.ReadFile(g.Path); err != nil || !bytes.Contains(b, word) {
		t.Fatalf("the program's pinned memory is not in the region: %v", err)
	}
	p.Process.Kill()
	g.waitUnused(t)
	waitFor(t, "the lease is given back", eventually, func() bool { return h.pool.leases.Load() == 0 })
	if b, err := os.ReadFile(g.Path); err != nil || bytes.Contains(b, word) {
		t.Errorf("what the program had is still in the region: %v", err)
	}
}

// A machine that ends takes its sessions along, and no others. Programs that still run get errors.
func TestDomainEnds(t *testing.T) {
	t.Parallel()
	h := newVMHost(t)
	ends, stays := h.guest(t, "ends", 128<<20), h.guest(t, "stays", 64<<20)
	p, q, other := ends.run(t, "forever"), ends.run(t, "forever"), stays.run(t, "forever")
	for _, p := range []*program{p, q, other} {
		p.waitLine(t, "round")
	}
	ends.End()
	h.EndDomain("ends")
	for _, p := range []*program{p, q} {
		if code := p.exit(t, 5*time.Second); code != 3 || !strings.Contains(p.out.String(), "failed: CUDA_ERROR_") {
			t.Errorf("ended with %d:\n%s", code, &p.out)
		}
	}
	waitFor(t, "leases are given back", eventually, func() bool { return h.pool.leases.Load() == 1 })
	if n := len(h.Sessions()); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
	select {
	case <-other.done:
		t.Errorf("the other machine's program ended:\n%s", &other.err)
	default:
	}
}

// Sessions go on while oriond is away. The next adopts them with their slices, and ends those whose machine has
// ended meanwhile.
func TestDeviceAdopted(t *testing.T) {
	t.Parallel()
	h := newVMHost(t)
	kept, lost := h.guest(t, "kept", 128<<20), h.guest(t, "lost", 64<<20)
	p, q := kept.run(t, "forever"), lost.run(t, "forever")
	p.waitLine(t, "round")
	q.waitLine(t, "round")
	h.stop()
	lost.End()
	h.domains.Forget(t)
	h.start(t)
	if code := q.exit(t, eventually); code != 3 {
		t.Errorf("the program of the machine that has ended: %d\n%s", code, &q.err)
	}
	if n := kept.SlicesInUse(); n != 1 {
		t.Errorf("%d slices adopted", n)
	}
	if code := kept.run(t).exit(t, time.Minute); code != 0 {
		t.Errorf("a second program ended with %d", code)
	}
	select {
	case <-p.done:
		t.Fatalf("the adopted program ended:\n%s", &p.err)
	default:
	}
	p.Process.Kill()
	kept.waitUnused(t)
	waitFor(t, "no session is left", eventually, func() bool { return len(h.Sessions()) == 0 })
}

// A worker that is killed ends its session; its slice stays the program's until that has ended too.
func TestSliceOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	h := newVMHost(t)
	g := h.guest(t, "vm", 128<<20)
	p := g.run(t, "hold")
	p.waitLine(t, "round")
	waitFor(t, "record of the session", eventually, func() bool { return h.Sessions()[0].Worker.PID != 0 })
	unix.Kill(h.Sessions()[0].Worker.PID, unix.SIGKILL)
	waitFor(t, "the lease is given back", eventually, func() bool { return h.pool.leases.Load() == 0 })
	if code := g.run(t).exit(t, time.Minute); code != 0 {
		t.Errorf("a second program ended with %d", code)
	}
	waitFor(t, "the second program's slice is free, and the first's is not", eventually, func() bool { return g.SlicesInUse() == 1 })
	time.Sleep(100 * time.Millisecond)
	if n := g.SlicesInUse(); n != 1 {
		t.Errorf("%d slices are in use while the program that has one lives", n)
	}
	p.Process.Kill()
	g.waitUnused(t)
}

// A connection that is cut in the middle of a run ends the session on both sides, though the memory is still there.
func TestDeviceLinkCut(t *testing.T) {
	t.Parallel()
	h := newVMHost(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ends := make(chan net.Conn, 2)
	go func() {
		from, err := l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", h.address.String())
		if err != nil {
			from.Close()
			return
		}
		ends <- from
		ends <- to
		go io.Copy(to, from)
		io.Copy(from, to)
	}()
	g := h.guestBy(t, "vm", 64<<20, l.Addr().(*net.TCPAddr).AddrPort())
	p := g.run(t, "forever")
	p.waitLine(t, "round")
	for range 2 {
		c := <-ends
		c.(*net.TCPConn).SetLinger(0) // a reset, as by a firewall
		c.Close()
	}
	if code := p.exit(t, 5*time.Second); code != 3 || !strings.Contains(p.err.String(), "connection to the host is lost") {
		t.Errorf("ended with %d:\n%s%s", code, &p.out, &p.err)
	}
	g.waitUnused(t)
	waitFor(t, "the lease is given back", eventually, func() bool { return h.pool.leases.Load() == 0 })
}
