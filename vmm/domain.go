// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orion-vgpu/orion/vmm/ivshmem"
	"github.com/orion-vgpu/orion/vmm/record"
)

const (
	firstRetry = 2 * time.Second
	lastRetry  = 5 * time.Minute

	// callTimeout bounds a call of the hypervisor: QEMU may hang.
	callTimeout = 30 * time.Second
)

// State is how far a machine is from what it is to have.
type State string

// States of a machine.
const (
	Attached  State = "attached"
	Detaching State = "detaching" // the guest has not let go yet
	Detached  State = "detached"  // by an administrator, until the machine starts again
	Failed    State = "failed"    // Status.Reason says why
	Stopped   State = "stopped"   // told by who asks the hypervisor, not by Manager
	Waiting   State = "waiting"
)

// domain is a machine that opted in, or has something of ours. All but name and hv is guarded by Manager.mu.
// What the goroutine that compares reads without the lock, it alone changes.
type domain struct {
	name string
	hv   Hypervisor

	rec    record.Domain
	memory *memory // nil: it has no region
	opted  bool
	asked  bool      // the guest is to let go of the device
	told   time.Time // when the hypervisor had last been asked for that
	seen   bool      // this oriond saw it attached
	state  State
	reason string
	advice string // of a hot-plug that failed, for this run
	order  *order // of an administrator, not taken up yet

	busy, stale bool // a goroutine compares; there is news for it
	timer       *time.Timer
	pause       time.Duration
}

// order is what an administrator wants beyond opting in.
type order struct{ hold bool }

func (d *domain) idle() bool {
	return d.order == nil && !d.opted && d.memory == nil && d.rec.Region == "" && !d.rec.Held && d.rec.Monitor == nil && d.reason == ""
}

func (d *domain) stopRetry() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// compare takes one look at a machine and does what follows.
func (m *Manager) compare(ctx context.Context, d *domain) {
	m.change(d, func() {
		if d.order != nil {
			d.rec.Held, d.order, d.advice = d.order.hold, nil, ""
		}
	})
	look, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	facts, err := d.hv.Machine(look, d.name)
	switch {
	case errors.Is(err, ErrGone):
		m.over(d)
		return
	case err != nil:
		if ctx.Err() == nil {
			m.log.Debug("cannot look at virtual machine", "machine", d.name, "reason", err)
			m.retry(d)
		}
		return
	}
	if d.rec.Run != facts.Run {
		if !slices.Contains(facts.Regions, d.rec.Region) { // or it was attached to this run already, while that began
			m.release(d, "it was started anew")
		}
		m.change(d, func() {
			d.rec.Run, d.rec.UUID, d.rec.Held = facts.Run, facts.UUID, false
			d.state, d.reason, d.advice, d.pause = Waiting, "", "", 0
		})
	}
	has := d.memory != nil && slices.Contains(facts.Regions, d.rec.Region)
	if d.memory != nil && !has {
		taken := d.seen && !d.asked && facts.Size > 0
		m.release(d, "its device is gone")
		// What an administrator took away by virsh is not given again until somebody says so.
		m.change(d, func() { d.rec.Held = d.rec.Held || taken })
	}
	if facts.Stream {
		m.stream(d, facts)
		return
	}
	mine := facts.Node == "" || facts.Node == m.opt.Node
	m.change(d, func() {
		d.opted = facts.Size > 0 && mine
		d.rec.CID = facts.CID
	})
	want := d.opted && !d.rec.Held
	switch {
	case facts.Fault != nil && mine:
		m.tell(d, Failed, facts.Fault.Error())
		if has {
			m.detach(ctx, d)
		}
	case want && has:
		m.keep(d, facts)
	case want && len(facts.Regions) > 0:
		m.tell(d, Failed, fmt.Sprintf("it has the device %s of another oriond, or of one whose records are lost: shut the machine down and start it", facts.Regions[0]))
	case want:
		m.attach(ctx, d, facts)
	case has:
		m.detach(ctx, d)
	case d.rec.Held:
		m.tell(d, Detached, fmt.Sprintf("by an administrator; \"oriond vm attach %s\" or the next start of the machine attaches it again", d.name))
	default:
		m.tell(d, Waiting, "")
	}
}

// stream is for a machine whose programs come by a stream alone.
func (m *Manager) stream(d *domain, facts Machine) {
	if facts.Fault != nil {
		m.tell(d, Failed, facts.Fault.Error())
		return
	}
	m.tell(d, Attached, "by a stream, without shared memory")
}

// over ends what there is for a machine that has stopped.
func (m *Manager) over(d *domain) {
	m.release(d, "it has stopped")
	m.mu.Lock()
	defer m.mu.Unlock()
	d.opted, d.state, d.reason, d.advice, d.pause = false, Waiting, "", "", 0
	d.rec = record.Domain{Name: d.name}
	if err := m.store.Remove(d.name); err != nil {
		m.log.Error("record remains", "reason", err)
	}
}

// release ends a region: its sessions, its file, its place in the record.
func (m *Manager) release(d *domain, why string) {
	if d.memory == nil {
		return
	}
	m.log.Info("memory of virtual machine ends", "machine", d.name, "why", why, "region", d.rec.Region)
	d.memory.end()
	m.opt.EndDomain(d.name)
	m.change(d, func() {
		d.memory, d.asked, d.seen = nil, false, false
		d.rec.Region, d.rec.Attached = "", false
	})
}

// keep is for a machine that has all that it is to have.
func (m *Manager) keep(d *domain, facts Machine) {
	if !d.rec.Attached {
		m.attached(d)
	}
	if err := d.memory.open(); err != nil {
		m.tell(d, Failed, err.Error())
		return
	}
	m.change(d, func() { d.seen = true })
	reason := ""
	if d.rec.Size != facts.Size {
		reason = fmt.Sprintf("%s from the next start of the machine on", FormatSize(facts.Size))
	}
	m.tell(d, Attached, reason)
}

// attach makes a region and shows it to the guest.
func (m *Manager) attach(ctx context.Context, d *domain, facts Machine) {
	if d.advice != "" {
		m.tell(d, Failed, d.advice) // nothing has changed in this run
		return
	}
	if m.opt.Vsock && !facts.Vsock {
		m.attachVsock(ctx, d)
	}
	err := CheckSize(facts.Size)
	if err == nil {
		err = m.room(facts.Size)
	}
	if err == nil {
		err = m.create(d, facts)
	}
	if err != nil {
		m.tell(d, Failed, err.Error())
		m.retry(d)
		return
	}
	calling, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = d.hv.Attach(calling, d.name, Device{d.rec.Region, d.rec.Size})
	if err == nil {
		m.attached(d)
		m.tell(d, Attached, "")
		m.look(d.hv, d.name) // it may have stopped before it had a region to end
		return
	}
	if calling.Err() != nil {
		m.look(d.hv, d.name) // nobody knows whether the guest has it
		return
	}
	m.release(d, "it could not be attached")
	var permanent *HotplugError
	if errors.As(err, &permanent) {
		m.change(d, func() { d.advice = err.Error() })
	} else {
		m.retry(d)
	}
	m.tell(d, Failed, err.Error())
}

// create makes the file, after the record that names it: no crash leaves a file that no record names.
func (m *Manager) create(d *domain, facts Machine) error {
	region, err := ivshmem.NewName()
	if err != nil {
		return err
	}
	rec := d.rec
	rec.Region, rec.Size, rec.Attached = region, facts.Size, false
	if err := m.store.Save(rec); err != nil {
		return err
	}
	r, err := ivshmem.Create(m.opt.Shared, region, facts.Size, facts.Access)
	if err != nil {
		return err
	}
	mem := newMemory(rec.Name, r, m.opt.Endpoint, m.log)
	if err := mem.renew(); err != nil {
		mem.end()
		return err
	}
	m.change(d, func() { d.rec, d.memory = rec, mem })
	return nil
}

// attached notes that QEMU has opened the file, and closes it to others.
func (m *Manager) attached(d *domain) {
	if err := d.memory.region.Seal(); err != nil {
		m.log.Warn("others of QEMU's user can open the memory of a virtual machine", "machine", d.name, "reason", err)
	}
	m.change(d, func() { d.rec.Attached, d.seen, d.pause = true, true, 0 })
	m.log.Info("virtual machine has vGPUs", "machine", d.name, "size", FormatSize(d.rec.Size), "cid", d.rec.CID)
}

func (m *Manager) attachVsock(ctx context.Context, d *domain) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := d.hv.AttachVsock(ctx, d.name); err != nil {
		m.log.Warn("virtual machine has no vsock; its programs come by TCP", "machine", d.name, "reason", err)
		return
	}
	m.look(d.hv, d.name) // for its address
}

// detach ends the sessions and asks the guest to let go. An event says when it has. What else is heard of the machine
// until the next try is no reason to ask at once again: a guest that is reset lets go just then, and libvirt 9.0 was seen
// to crash when asked at that moment.
func (m *Manager) detach(ctx context.Context, d *domain) {
	if d.asked && time.Since(d.told) < firstRetry {
		return
	}
	m.tell(d, Detaching, "the guest has not let go of the device yet")
	m.change(d, func() { d.asked = true })
	d.memory.close()
	m.opt.EndDomain(d.name)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := d.hv.Detach(ctx, d.name, Device{d.rec.Region, d.rec.Size}); err != nil {
		m.log.Warn("device stays for now", "machine", d.name, "reason", err)
		m.tell(d, Detaching, err.Error())
	}
	d.told = time.Now()
	m.retry(d) // a guest that boots does not hear
}

// change changes a domain and its record.
func (m *Manager) change(d *domain, f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := d.rec
	f()
	if d.rec == before {
		return
	}
	var err error
	if d.rec.Region == "" && !d.rec.Held && d.rec.Monitor == nil {
		err = m.store.Remove(d.name)
	} else {
		err = m.store.Save(d.rec)
	}
	if err != nil {
		m.log.Error("a crash of oriond now would lose track of a virtual machine", "reason", err)
	}
}

func (m *Manager) tell(d *domain, s State, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s == Failed && (d.state != s || d.reason != reason) {
		m.log.Warn("virtual machine has no vGPUs", "machine", d.name, "reason", reason)
	}
	d.state, d.reason = s, reason
}
