// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/orion-vgpu/orion/vmm/ivshmem"
	"github.com/orion-vgpu/orion/vmm/record"
)

// Options say how a Manager works.
type Options struct {
	Dir        string     // of its records
	Shared     string     // folder of the regions' files; empty: ivshmem.Dir
	Node       string     // name of this node
	Hypervisor Hypervisor // whose machines opt in by themselves; nil: there is none

	// Dial returns a machine that Hypervisor does not know, by its monitor.
	Dial func(name string, m record.Monitor) Hypervisor

	// EndDomain ends the sessions of a virtual machine. It is called after Run only.
	EndDomain func(name string)

	// Endpoint says where guests reach oriond: a port for vsock and TCP, and an IP address for TCP, which is
	// empty where the guest's default gateway leads there. It is called after Run only.
	Endpoint func() (port uint16, address string)

	Vsock  bool // this host has vhost-vsock
	Logger *slog.Logger
}

// Manager gives machines that opted in a region, and keeps it for as long as they run. It implements Domains.
//
// What it does follows from comparing what a machine has with what it is to have, each time that something may
// have changed. So events may come late, twice, out of order or not at all while libvirt is away.
type Manager struct {
	opt   Options
	log   *slog.Logger
	store *record.Store

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before it
	working sync.WaitGroup  // reconcilers and watchers
	domains map[string]*domain
	silence string // why the hypervisor does not answer; empty: it does
}

// New returns a manager that knows the regions of an earlier one, whose sessions can be adopted. The caller
// starts Run when they are.
func New(opt Options) (*Manager, error) {
	store, err := record.Open(opt.Dir)
	if err != nil {
		return nil, err
	}
	if opt.Shared == "" {
		opt.Shared = ivshmem.Dir
	}
	m := &Manager{opt: opt, log: opt.Logger, store: store, domains: map[string]*domain{}, silence: "not asked yet"}
	found, err := store.Load()
	if err != nil {
		m.log.Warn("records of virtual machines are spoilt: their memory may remain in "+opt.Shared, "reason", err)
	}
	for _, r := range found {
		m.restore(r)
	}
	return m, nil
}

// restore makes a domain of what an earlier oriond recorded.
func (m *Manager) restore(r record.Domain) {
	d := &domain{name: r.Name, rec: r, hv: m.opt.Hypervisor, state: Waiting}
	if r.Monitor != nil {
		d.hv = m.opt.Dial(r.Name, *r.Monitor)
	}
	if r.Region != "" {
		region, err := ivshmem.Open(m.opt.Shared, r.Region, r.Size)
		if err != nil {
			m.log.Warn("memory of a virtual machine is lost", "machine", r.Name, "reason", err)
			if err := ivshmem.Unlink(m.opt.Shared, r.Region); err != nil {
				m.log.Error("it remains", "reason", err)
			}
			m.change(d, func() { d.rec.Region, d.rec.Attached = "", false })
		} else {
			d.memory = newMemory(r.Name, region, m.opt.Endpoint, m.log)
		}
	}
	m.domains[r.Name] = d
}

// Run watches machines until ctx is over. Regions stay, and machines keep their devices, for the next oriond.
func (m *Manager) Run(ctx context.Context) {
	m.mu.Lock()
	m.ctx = ctx
	for name, d := range m.domains {
		if d.memory != nil {
			if err := d.memory.begin(); err != nil {
				m.log.Error("a virtual machine gets no new sessions", "machine", name, "reason", err)
			}
		}
		if d.rec.Monitor != nil {
			m.watch(d.hv)
		}
	}
	if m.opt.Hypervisor != nil {
		m.watch(m.opt.Hypervisor)
	}
	m.mu.Unlock()
	<-ctx.Done()
	m.mu.Lock()
	for _, d := range m.domains {
		d.stopRetry()
	}
	m.mu.Unlock()
	m.working.Wait()
}

// watch is called with mu held.
func (m *Manager) watch(hv Hypervisor) {
	ctx := m.ctx
	m.working.Go(func() { hv.Watch(ctx, func(e Event) { m.hear(hv, e) }) })
}

// hear takes news in.
func (m *Manager) hear(hv Hypervisor, e Event) {
	switch e.Kind {
	case Changed:
		m.look(hv, e.Machine)
	case Rebooted:
		m.reboot(hv, e.Machine)
	case Connected:
		m.mu.Lock()
		if hv == m.opt.Hypervisor {
			m.silence = ""
		}
		names := slices.Clone(e.Running)
		for name, d := range m.domains {
			if d.hv == hv {
				names = append(names, name)
			}
		}
		m.mu.Unlock()
		for _, name := range names {
			m.look(hv, name)
		}
	case Disconnected:
		m.mu.Lock()
		defer m.mu.Unlock()
		if hv == m.opt.Hypervisor {
			m.silence = e.Reason.Error()
		}
	}
}

// look compares a machine with what it is to have, at once or after the comparison that runs.
func (m *Manager) look(hv Hypervisor, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == nil || m.ctx.Err() != nil {
		return
	}
	d := m.domains[name]
	if d == nil {
		d = &domain{name: name, rec: record.Domain{Name: name}, hv: hv, state: Waiting}
		m.domains[name] = d
	}
	if d.hv != hv {
		return // of a machine with the same name elsewhere
	}
	d.stale = true
	if d.busy {
		return
	}
	d.busy = true
	m.working.Go(func() { m.settle(m.ctx, d) })
}

// settle compares until nothing new has been heard, and forgets machines that have nothing to do with Orion.
func (m *Manager) settle(ctx context.Context, d *domain) {
	for {
		m.mu.Lock()
		if !d.stale || ctx.Err() != nil {
			d.busy = false
			if d.idle() {
				d.stopRetry()
				delete(m.domains, d.name)
			}
			m.mu.Unlock()
			return
		}
		d.stale = false
		m.mu.Unlock()
		m.compare(ctx, d)
	}
}

// reboot ends what the guest's programs had: they are gone, and TCP does not tell.
func (m *Manager) reboot(hv Hypervisor, name string) {
	m.mu.Lock()
	d := m.domains[name]
	var mem *memory
	if d != nil && d.hv == hv {
		mem = d.memory
	}
	m.mu.Unlock()
	if mem == nil {
		return
	}
	m.log.Info("virtual machine reboots", "machine", name, "sessions", mem.used.Load())
	if err := mem.reboot(); err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, errClosed) {
		m.log.Error("a virtual machine gets no new sessions", "machine", name, "reason", err)
	}
	m.working.Go(func() { m.opt.EndDomain(name) })
}

// room says whether a region of this size fits beside the others.
func (m *Manager) room(size uint64) error {
	all, err := ivshmem.Room(m.opt.Shared)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := size
	for _, d := range m.domains {
		if d.memory != nil {
			sum += d.memory.region.Size()
		}
	}
	if sum > all {
		return fmt.Errorf("the regions of all virtual machines would have %d MiB, and %s holds %d MiB: enlarge it (mount -o remount,size=... %s), or use a smaller --size",
			sum>>20, m.opt.Shared, all>>20, m.opt.Shared)
	}
	return nil
}

// retry looks again after a while, a longer one each time.
func (m *Manager) retry(d *domain) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d.stopRetry()
	d.pause = min(max(2*d.pause, firstRetry), lastRetry)
	d.timer = time.AfterFunc(d.pause, func() { m.look(d.hv, d.name) })
}
