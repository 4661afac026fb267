// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/vmm/record"
)

const eventually = 30 * time.Second

// fakeHypervisor has machines that do as they are told.
type fakeHypervisor struct {
	mu       sync.Mutex
	machines map[string]*Machine
	tell     func(Event)
	fail     error         // of the next calls
	hang     chan struct{} // not nil: Attach waits for it, and then succeeds
	holdsOn  bool          // guests do not let go of devices
	attached int           // calls of Attach
	vsocks   int
}

func (f *fakeHypervisor) Watch(ctx context.Context, tell func(Event)) {
	f.mu.Lock()
	f.tell = tell
	var names []string
	for name := range f.machines {
		names = append(names, name)
	}
	f.mu.Unlock()
	tell(Event{Kind: Connected, Running: names})
	<-ctx.Done()
}

func (f *fakeHypervisor) Machine(_ context.Context, name string) (Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.machines[name]
	if m == nil {
		return Machine{}, ErrGone
	}
	c := *m
	c.Regions = slices.Clone(m.Regions)
	return c, nil
}

func (f *fakeHypervisor) Attach(ctx context.Context, name string, d Device) error {
	f.mu.Lock()
	f.attached++
	hang := f.hang
	f.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	m := f.machines[name]
	if m == nil {
		return errors.New("no such machine")
	}
	m.Regions = append(m.Regions, d.Region)
	return nil
}

func (f *fakeHypervisor) Detach(_ context.Context, name string, d Device) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.machines[name]; m != nil && !f.holdsOn {
		m.Regions = slices.DeleteFunc(m.Regions, func(r string) bool { return r == d.Region })
		go f.send(Event{Kind: Changed, Machine: name})
	}
	return nil
}

func (f *fakeHypervisor) AttachVsock(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.vsocks++
	if m := f.machines[name]; m != nil {
		m.Vsock, m.CID = true, uint32(100+f.vsocks)
	}
	return nil
}

// set changes a machine, nil ends it, and tells of that.
func (f *fakeHypervisor) set(name string, m *Machine) {
	f.mu.Lock()
	delete(f.machines, name)
	if m != nil {
		m.Name = name
		m.Access.UID, m.Access.GID = -1, -1
		f.machines[name] = m
	}
	f.mu.Unlock()
	f.send(Event{Kind: Changed, Machine: name})
}

// send tells who watches, if anybody does yet.
func (f *fakeHypervisor) send(e Event) {
	f.mu.Lock()
	tell := f.tell
	f.mu.Unlock()
	if tell != nil {
		tell(e)
	}
}

func (f *fakeHypervisor) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// host is a manager with its machines.
type host struct {
	*Manager
	t      *testing.T
	hv     *fakeHypervisor
	dir    string // of records
	shared string // of regions
	stop   func()

	mu    sync.Mutex
	ended []string // calls of EndDomain
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, hv: &fakeHypervisor{machines: map[string]*Machine{}}, dir: t.TempDir(), shared: t.TempDir()}
	h.start(nil)
	return h
}

// start starts a manager; adopt is called before it runs.
func (h *host) start(adopt func(*Manager)) {
	h.t.Helper()
	m, err := New(Options{
		Dir: h.dir, Shared: h.shared, Node: "here", Hypervisor: h.hv,
		Dial: func(name string, _ record.Monitor) Hypervisor {
			return &fakeHypervisor{machines: map[string]*Machine{name: {Name: name, Run: "q", Size: MinSize, Vsock: true}}}
		},
		EndDomain: func(name string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.ended = append(h.ended, name)
		},
		Endpoint: func() (uint16, string) { return 9960, "" },
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if adopt != nil {
		adopt(m)
	}
	h.Manager = m
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	h.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	h.t.Cleanup(h.stop)
	h.await("the hypervisor", func() bool { return h.Report().Hypervisor == "" })
}

func (h *host) endings() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ended)
}

func (h *host) status(name string) Status {
	for _, s := range h.Report().Machines {
		if s.Name == name {
			return s
		}
	}
	return Status{}
}

func (h *host) awaitState(name string, want State) Status {
	h.t.Helper()
	var s Status
	h.await(fmt.Sprintf("state %q of %s", want, name), func() bool {
		s = h.status(name)
		return s.State == want
	})
	return s
}

func (h *host) await(what string, ok func() bool) {
	h.t.Helper()
	for start := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(start) > eventually {
			h.t.Fatalf("%s: not within %v; now %+v", what, eventually, h.Report())
		}
	}
}

// files returns the regions' files and the records.
func (h *host) files() (regions, records int) {
	h.t.Helper()
	r, err := os.ReadDir(h.shared)
	if err != nil {
		h.t.Fatal(err)
	}
	d, err := os.ReadDir(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	return len(r), len(d)
}

func (h *host) awaitNothing() {
	h.t.Helper()
	h.await("nothing left", func() bool {
		regions, records := h.files()
		return regions == 0 && records == 0 && len(h.Report().Machines) == 0
	})
}

// nonce reads what the guest would; nothing where the machine has no region.
func (h *host) nonce(name string) (n [32]byte) {
	f, err := os.Open(h.shared + "/" + h.status(name).Region)
	if err != nil {
		return n
	}
	defer f.Close()
	f.ReadAt(n[:], wire.DomNonce)
	return n
}

// whileAttaching starts a machine, and changes it as QEMU is being asked to attach its device.
func (h *host) whileAttaching(name string, to *Machine) {
	h.t.Helper()
	hang := make(chan struct{})
	h.hv.do(func() { h.hv.hang = hang })
	h.hv.set(name, optedIn("1"))
	h.await("the call", func() bool {
		h.hv.mu.Lock()
		defer h.hv.mu.Unlock()
		return h.hv.attached == 1
	})
	h.hv.set(name, to)
	close(hang)
}

func optedIn(run string) *Machine { return &Machine{Run: run, Size: MinSize} }
