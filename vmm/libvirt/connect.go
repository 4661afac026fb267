// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"libvirt.org/go/libvirt"

	"github.com/orion-vgpu/orion/vmm"
)

const (
	firstPause = time.Second
	lastPause  = 30 * time.Second // without libvirt, or while it is restarted

	// A libvirtd that does not answer for keepAlive*(keepAliveCount+1) seconds counts as gone.
	keepAlive      = 5
	keepAliveCount = 3
)

var errAway = errors.New("libvirt does not answer")

// hypervisor implements vmm.Hypervisor for one libvirt.
type hypervisor struct {
	uri string
	log *slog.Logger

	mu   sync.Mutex
	link *link // nil: not connected
}

// link is one connection, which lives until nobody uses it.
type link struct {
	conn  *libvirt.Connect
	users sync.WaitGroup
}

// New returns the machines of the libvirt at uri. It connects when it is watched.
func New(uri string, log *slog.Logger) vmm.Hypervisor { return &hypervisor{uri: uri, log: log} }

// events starts libvirt's event loop, which has to be there before the first connection and never ends.
var events = sync.OnceValue(func() error {
	if err := libvirt.EventRegisterDefaultImpl(); err != nil {
		return err
	}
	go func() {
		for libvirt.EventRunDefaultImpl() == nil {
		}
	}()
	return nil
})

// Watch implements vmm.Hypervisor.
func (h *hypervisor) Watch(ctx context.Context, tell func(vmm.Event)) {
	pause, silent := firstPause, false
	for ctx.Err() == nil {
		connected, err := h.watchOnce(ctx, tell)
		if ctx.Err() != nil {
			return
		}
		if connected {
			pause, silent = firstPause, false
		}
		if !silent {
			h.log.Info("no virtual machines for now", "libvirt", h.uri, "reason", err)
			silent = true
		}
		tell(vmm.Event{Kind: vmm.Disconnected, Reason: err})
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// watchOnce connects, and returns when the connection has ended.
func (h *hypervisor) watchOnce(ctx context.Context, tell func(vmm.Event)) (connected bool, err error) {
	if err := events(); err != nil {
		return false, fmt.Errorf("load libvirt: %w", err)
	}
	conn, err := libvirt.NewConnect(h.uri)
	if err != nil {
		return false, fmt.Errorf("connect to libvirt: %w", err)
	}
	l := &link{conn: conn}
	closed := make(chan libvirt.ConnectCloseReason, 1)
	err = conn.RegisterCloseCallback(func(_ *libvirt.Connect, why libvirt.ConnectCloseReason) {
		select {
		case closed <- why:
		default:
		}
	})
	if err == nil {
		err = conn.SetKeepAlive(keepAlive, keepAliveCount)
	}
	var callbacks []int
	if err == nil {
		callbacks, err = listen(conn, tell)
	}
	defer h.leave(ctx, l, callbacks)
	if err != nil {
		return false, fmt.Errorf("watch libvirt: %w", err)
	}
	h.mu.Lock()
	h.link = l
	h.mu.Unlock()
	// Asked for after the callbacks are there: nothing is missed.
	running, err := names(conn)
	if err != nil {
		return false, err
	}
	h.log.Info("watching virtual machines", "libvirt", h.uri, "running", len(running))
	tell(vmm.Event{Kind: vmm.Connected, Running: running})
	select {
	case <-ctx.Done():
		return true, ctx.Err()
	case why := <-closed:
		if why == libvirt.CONNECT_CLOSE_REASON_KEEPALIVE {
			return true, errors.New("libvirt does not answer any more")
		}
		return true, errors.New("libvirt has ended the connection")
	}
}

// leave closes a connection when the last call has returned. A call that hangs keeps it.
func (h *hypervisor) leave(ctx context.Context, l *link, callbacks []int) {
	h.mu.Lock()
	h.link = nil
	h.mu.Unlock()
	unused := make(chan struct{})
	go func() {
		l.users.Wait()
		close(unused)
	}()
	select {
	case <-unused:
	case <-time.After(2 * time.Second):
		h.log.Warn("a call of libvirt hangs: its connection stays open", "libvirt", h.uri)
		return
	}
	for _, id := range callbacks {
		l.conn.DomainEventDeregister(id)
	}
	l.conn.UnregisterCloseCallback()
	l.conn.Close()
}

// listen registers for all that matters.
func listen(conn *libvirt.Connect, tell func(vmm.Event)) (ids []int, err error) {
	add := func(id int, failed error) {
		if failed == nil {
			ids = append(ids, id)
		}
		err = errors.Join(err, failed)
	}
	changed := func(d *libvirt.Domain) {
		if name, err := d.GetName(); err == nil {
			tell(vmm.Event{Kind: vmm.Changed, Machine: name})
		}
	}
	add(conn.DomainEventLifecycleRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventLifecycle) {
		changed(d)
	}))
	add(conn.DomainEventDeviceRemovedRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventDeviceRemoved) {
		changed(d)
	}))
	add(conn.DomainEventDeviceAddedRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventDeviceAdded) {
		changed(d)
	}))
	add(conn.DomainEventMetadataChangeRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventMetadataChange) {
		if e.NSURI == Namespace {
			changed(d)
		}
	}))
	add(conn.DomainEventRebootRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain) {
		if name, err := d.GetName(); err == nil {
			tell(vmm.Event{Kind: vmm.Rebooted, Machine: name})
		}
	}))
	return ids, err
}

// names returns the domains that run.
func names(conn *libvirt.Connect) ([]string, error) {
	found, err := conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_ACTIVE)
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", err)
	}
	var out []string
	for _, d := range found {
		if name, err := d.GetName(); err == nil {
			out = append(out, name)
		}
		d.Free()
	}
	return out, nil
}

// call calls libvirt for a domain, and stops waiting for it when ctx is over.
func (h *hypervisor) call(ctx context.Context, name string, f func(*libvirt.Domain) error) error {
	h.mu.Lock()
	l := h.link
	if l != nil {
		l.users.Add(1)
	}
	h.mu.Unlock()
	if l == nil {
		return errAway
	}
	done := make(chan error, 1)
	go func() {
		defer l.users.Done()
		d, err := l.conn.LookupDomainByName(name)
		if err == nil {
			err = f(d)
			d.Free()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for libvirt: %w", ctx.Err())
	}
}

// is says whether an error of libvirt has this code.
func is(err error, code libvirt.ErrorNumber) bool {
	var e libvirt.Error
	return errors.As(err, &e) && e.Code == code
}
