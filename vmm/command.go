// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/orion-vgpu/orion/vmm/record"
)

// Status is what Manager knows of a machine.
type Status struct {
	Name   string `json:"name"`
	UUID   string `json:"uuid,omitempty"`
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
	Size   uint64 `json:"size_bytes,omitempty"` // of its region
	Region string `json:"region,omitempty"`     // name of the region's file
	Slices int    `json:"slices"`               // in use, by one client process each
	CID    uint32 `json:"cid,omitempty"`
	QMP    string `json:"qmp,omitempty"`    // monitor of a QEMU that libvirt does not manage
	Hybrid string `json:"hybrid,omitempty"` // socket of the monitor's hybrid vsock
}

// Report is the status of all machines, by name.
type Report struct {
	Machines   []Status `json:"machines"`
	Hypervisor string   `json:"hypervisor,omitempty"` // why libvirt does not answer; empty: it does
}

// Report returns what is known now.
func (m *Manager) Report() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Report{Machines: []Status{}, Hypervisor: m.silence}
	for _, d := range m.domains {
		if d.idle() {
			continue
		}
		s := Status{Name: d.name, UUID: d.rec.UUID, State: d.state, Reason: d.reason, CID: d.rec.CID}
		if d.rec.Monitor != nil {
			s.QMP, s.Hybrid = d.rec.Monitor.Socket, d.rec.Monitor.Vsock
		}
		if d.memory != nil {
			s.Size, s.Region, s.Slices = d.rec.Size, d.rec.Region, int(d.memory.used.Load())
		}
		r.Machines = append(r.Machines, s)
	}
	sort.Slice(r.Machines, func(i, j int) bool { return r.Machines[i].Name < r.Machines[j].Name })
	return r
}

// Detach takes the device from a running machine, and returns when the guest has let go of it, or with an error
// when ctx is over; it is detached then as soon as it can be. It stays detached until Attach or the machine's
// next start.
func (m *Manager) Detach(ctx context.Context, name string) error {
	m.mu.Lock()
	d := m.domains[name]
	if d != nil && d.rec.Monitor != nil && d.rec.Monitor.Vsock != "" {
		m.mu.Unlock()
		return d.hv.Detach(ctx, name, Device{})
	}
	if d == nil || d.memory == nil {
		m.mu.Unlock()
		return fmt.Errorf("detach from virtual machine %s: it has no device of this oriond's", name)
	}
	gone := d.memory.gone
	d.order = &order{hold: true}
	m.mu.Unlock()
	m.look(d.hv, name)
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("detach from virtual machine %s: the guest has not let go of the device yet (it may still boot, or know no hot-plug); its sessions have ended, and oriond detaches it when the guest lets go, or when the machine stops", name)
	}
}

// Attach undoes Detach. It does not wait.
func (m *Manager) Attach(name string) error {
	m.mu.Lock()
	d := m.domains[name]
	if d == nil || !d.opted && !d.rec.Held {
		m.mu.Unlock()
		return fmt.Errorf("attach to virtual machine %s: it does not run, or has not opted in; \"oriond vm enable %s\" does that", name, name)
	}
	d.order = &order{hold: false}
	m.mu.Unlock()
	m.look(d.hv, name)
	return nil
}

// AttachMonitor gives a region to a QEMU that the hypervisor does not know, by its monitor, or lets the programs of
// a machine in by its monitor's hybrid vsock. It does not wait.
func (m *Manager) AttachMonitor(name string, mon record.Monitor) error {
	if name == "" || (mon.Socket == "") == (mon.Vsock == "") {
		return errors.New("attach to a virtual machine: name it, and one socket of its monitor")
	}
	if err := CheckSize(mon.Size); err != nil && mon.Socket != "" {
		return fmt.Errorf("attach to QEMU: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == nil || m.ctx.Err() != nil {
		return errors.New("attach to a virtual machine: oriond starts or stops: try again")
	}
	if m.domains[name] != nil {
		return fmt.Errorf("attach to a virtual machine: there is a virtual machine %s already; choose another --name", name)
	}
	d := &domain{name: name, hv: m.opt.Dial(name, mon), state: Waiting, rec: record.Domain{Name: name, Monitor: &mon}}
	if err := m.store.Save(d.rec); err != nil {
		return err
	}
	m.domains[name] = d
	m.watch(d.hv)
	return nil
}
