// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/controller/api"
	"github.com/orion-vgpu/orion/controller/pool"
	"github.com/orion-vgpu/orion/controller/store"
	"github.com/orion-vgpu/orion/host/gpu"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/tests/loopback"
)

var quiet = slog.New(slog.DiscardHandler)

// controller is an orion-controller that can go away and come back, without memory, at the same address.
type controller struct {
	t       *testing.T
	address string
	pool    *pool.Pool
	stop    func()
}

func newController(t *testing.T) *controller {
	c := &controller{t: t, address: loopback.Listen()}
	c.start()
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *controller) start() {
	c.t.Helper()
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.address = l.Addr().String()
	p := pool.New(pool.Config{Store: store.NewMemory(), Log: quiet, Grace: 300 * time.Millisecond})
	c.pool = p
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { p.Run(ctx) })
	done.Go(func() {
		if err := api.Serve(ctx, l, p, quiet); err != nil {
			c.t.Error(err)
		}
	})
	c.stop = sync.OnceFunc(func() { cancel(); done.Wait() })
}

func (c *controller) state() *poolv1.Pool {
	c.t.Helper()
	s, err := c.pool.List(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// newClient is the client of a node with two software GPUs of 1024 MiB. It runs until the test ends.
func newClient(t *testing.T, address string, change func(*Config)) *Client {
	t.Helper()
	gpus, err := gpu.NewSoft("n", 2, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Controller: address, Node: "n", DataAddress: "127.0.0.1:9960", VGPUCount: 2, GPUs: gpus, Log: quiet,
		Interval: 20 * time.Millisecond, Patience: 20 * time.Second}
	if change != nil {
		change(&cfg)
	}
	c := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run does not end with its context")
		}
	})
	return c
}

// impatient is for clients that are to give up.
func impatient(cfg *Config) { cfg.Patience = time.Second }

// eventually waits for something to become true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func TestGrantAndRelease(t *testing.T) {
	t.Parallel()
	s := newController(t)
	c := newClient(t, s.address, nil)
	// Whether or not the first heartbeat has arrived.
	lease, err := c.Grant(t.Context(), Request{VGPUs: 2, MemoryMiB: 256, Program: "train\x1b[2J", PID: 7, Host: "h"})
	if err != nil {
		t.Fatal(err)
	}
	want := []VGPU{{"n", 0, gpu.FormatUUID(gpu.SoftUUID("n", 0)), 256 << 20, 50}, {"n", 1, gpu.FormatUUID(gpu.SoftUUID("n", 1)), 256 << 20, 50}}
	if fmt.Sprint(lease.VGPUs) != fmt.Sprint(want) {
		t.Errorf("granted %v, want %v", lease.VGPUs, want)
	}
	state := s.state()
	if l := state.Leases; len(l) != 1 || l[0].Id != lease.ID || l[0].Program != "train?[2J" || l[0].Pid != 7 || l[0].Host != "h" {
		t.Errorf("leases are %v", l)
	}
	if n := state.Nodes[0].Node; n.Name != "n" || n.VgpuCount != 2 || n.DataAddress != "127.0.0.1:9960" || len(n.Gpus) != 2 ||
		n.Gpus[1].Name != "Orion Software GPU" || n.Gpus[1].Backend != poolv1.Backend_BACKEND_SOFTGPU {
		t.Errorf("node is %v", n)
	}
	for range 2 {
		if err := c.Release(t.Context(), lease.ID); err != nil {
			t.Fatal(err)
		}
	}
	if l := s.state().Leases; len(l) != 0 {
		t.Errorf("leases after the release are %v", l)
	}
}

func TestRefusalsInWords(t *testing.T) {
	t.Parallel()
	s := newController(t)
	c := newClient(t, s.address, nil)
	for _, r := range []struct {
		name   string
		ask    Request
		words  string
		memory bool
	}{
		{"memory", Request{VGPUs: 1, MemoryMiB: 2048}, "1 vGPU of 2048 MiB asked, the largest GPU has 1024 MiB (node n GPU 0)", true},
		{"count", Request{VGPUs: 3}, "3 vGPUs asked, each on a GPU of its own, but node n has 2 GPUs", false},
		{"cross-node", Request{VGPUs: 1, CrossNode: true}, "vGPUs across nodes are whole GPUs: ORION_CROSS_NODE=1 needs ORION_RATIO=100", false},
		{"nonsense", Request{VGPUs: -1}, "0 vGPUs asked: want 1 to 64 (ORION_VGPU)", false},
	} {
		_, err := c.Grant(t.Context(), r.ask)
		if err == nil || err.Error() != r.words || errors.Is(err, ErrOutOfMemory) != r.memory {
			t.Errorf("%s: got %v, want %s", r.name, err, r.words)
		}
	}
	if l := s.state().Leases; len(l) != 0 {
		t.Errorf("leases of refused grants: %v", l)
	}
}

func TestControllerAwayAtStart(t *testing.T) {
	t.Parallel()
	s := newController(t)
	s.stop()
	c := newClient(t, s.address, impatient)
	begin := time.Now()
	_, err := c.Grant(t.Context(), Request{VGPUs: 1})
	if err == nil || !strings.Contains(err.Error(), "reach orion-controller at "+s.address) || !strings.Contains(err.Error(), "controller_addr") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d < 500*time.Millisecond || d > 20*time.Second {
		t.Errorf("gave up after %v", d)
	}
	s.start()
	eventually(t, "the controller has come", func() bool {
		_, err := c.Grant(t.Context(), Request{VGPUs: 1})
		return err == nil
	})
}

func TestSilentController(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := newClient(t, l.Addr().String(), impatient)
	begin := time.Now()
	_, err = c.Grant(t.Context(), Request{VGPUs: 1})
	if err == nil || !strings.Contains(err.Error(), "it does not answer in time") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("gave up after %v", d)
	}
	if err := c.Release(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

func TestControllerRestart(t *testing.T) {
	t.Parallel()
	s := newController(t)
	c := newClient(t, s.address, nil)
	runs, err := c.Grant(t.Context(), Request{VGPUs: 1, Program: "runs"})
	if err != nil {
		t.Fatal(err)
	}
	ends, err := c.Grant(t.Context(), Request{VGPUs: 1, Program: "ends"})
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	if err := c.Release(t.Context(), ends.ID); err != nil { // nobody hears it
		t.Fatal(err)
	}
	s.start()
	eventually(t, "the new controller knows what runs", func() bool {
		l := s.state().Leases
		return len(l) == 1 && l[0].Id == runs.ID && l[0].Program == "runs"
	})
	if _, err := c.Grant(t.Context(), Request{VGPUs: 2}); err != nil {
		t.Errorf("what was released while the controller was away is not free: %v", err)
	}
}

// TestReleaseUndelivered has the controller live on while a release does not reach it.
func TestReleaseUndelivered(t *testing.T) {
	t.Parallel()
	s := newController(t)
	c := newClient(t, s.address, nil)
	lease, err := c.Grant(t.Context(), Request{VGPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Release(gone, lease.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the heartbeat makes the release good", func() bool { return len(s.state().Leases) == 0 })
	eventually(t, "nothing is left to tell", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.released) == 0 && len(c.held) == 0
	})
}

func TestGrantThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	s := newController(t)
	c := newClient(t, s.address, nil)
	for i := range 50 { // cut short at different moments
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
		if lease, err := c.Grant(ctx, Request{VGPUs: 1}); err == nil {
			if err := c.Release(t.Context(), lease.ID); err != nil {
				t.Error(err)
			}
		}
		cancel()
	}
	eventually(t, "all is free", func() bool { return len(s.state().Leases) == 0 })
}

func TestSessionsAreTheAuthority(t *testing.T) {
	t.Parallel()
	s := newController(t)
	// Workers that an earlier oriond has left running.
	adopted := Session{Lease: Lease{ID: "abc", VGPUs: []VGPU{{GPU: 1, UUID: gpu.FormatUUID(gpu.SoftUUID("n", 1)), MemoryBytes: 1 << 29, RatioPercent: 50}}},
		Program: "left", PID: 9, Since: time.Now().Add(-time.Hour)}
	var mu sync.Mutex
	sessions := []Session{adopted}
	set := func(list ...Session) {
		mu.Lock()
		defer mu.Unlock()
		sessions = list
	}
	c := newClient(t, s.address, func(cfg *Config) {
		cfg.Sessions = func() []Session {
			mu.Lock()
			defer mu.Unlock()
			return sessions
		}
	})
	eventually(t, "the adopted session has its lease", func() bool {
		l := s.state().Leases
		return len(l) == 1 && l[0].Id == "abc" && l[0].Program == "left" && l[0].Vgpus[0].Node == "n" && time.Since(l[0].GrantedAt.AsTime()) > 59*time.Minute
	})
	lease, err := c.Grant(t.Context(), Request{VGPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // beyond the controller's grace; its session is still starting
	if n := len(s.state().Leases); n != 2 {
		t.Errorf("%d leases while a session starts, want 2", n)
	}
	set(adopted, Session{Lease: lease})
	eventually(t, "a heartbeat has listed the session", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.held[lease.ID].inSession
	})
	set() // both ended, and nobody called Release
	eventually(t, "all is free", func() bool { return len(s.state().Leases) == 0 })
}

func TestNameTaken(t *testing.T) {
	t.Parallel()
	s := newController(t)
	older := newClient(t, s.address, nil)
	eventually(t, "the older is registered", func() bool { return len(s.state().Nodes) == 1 })
	newClient(t, s.address, nil)
	eventually(t, "the older is told", func() bool {
		older.mu.Lock()
		defer older.mu.Unlock()
		return strings.Contains(older.trouble, "another oriond") && strings.Contains(older.trouble, "[server] node_name")
	})
}

type brokenGPUs struct{ gpu.Inventory }

func (brokenGPUs) Devices() ([]gpu.Device, error) { return nil, errors.New("driver is gone") }

func TestInventoryFails(t *testing.T) {
	t.Parallel()
	s := newController(t)
	c := newClient(t, s.address, func(cfg *Config) { cfg.GPUs = brokenGPUs{cfg.GPUs} })
	if _, err := c.Grant(t.Context(), Request{VGPUs: 1}); err == nil || err.Error() != "list the GPUs of this node: driver is gone" {
		t.Errorf("got %v", err)
	}
	if n := s.state().Nodes; len(n) != 0 {
		t.Errorf("registered without knowing its GPUs: %v", n)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"python3": "python3", "a\x00b\nc": "a?b?c", "\xff\xfe": "??", "日本": "日本",
		strings.Repeat("日", 100): strings.Repeat("日", 85),
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}
