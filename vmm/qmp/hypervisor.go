// SPDX-License-Identifier: Apache-2.0

package qmp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
	"github.com/orion-vgpu/orion/vmm/record"
)

// lastPause bounds the time between two attempts to reach a QEMU that lives but does not answer.
const lastPause = 30 * time.Second

// machine implements vmm.Hypervisor for one QEMU.
type machine struct {
	name string
	conf record.Monitor
	log  *slog.Logger

	mu    sync.Mutex
	mon   *monitor // nil: not connected
	ended bool     // QEMU has ended
}

// New returns the machine behind a monitor. It connects when it is watched.
func New(name string, conf record.Monitor, log *slog.Logger) vmm.Hypervisor {
	return &machine{name: name, conf: conf, log: log}
}

var (
	errAway     = errors.New("the monitor of QEMU does not answer")
	errNoBridge = errors.New("QEMU has no PCI bridge")
)

// Watch implements vmm.Hypervisor. It returns when QEMU has ended.
func (q *machine) Watch(ctx context.Context, tell func(vmm.Event)) {
	pause := time.Second
	for ctx.Err() == nil {
		mon, err := dial(q.conf.Socket)
		switch {
		case err == nil:
			pause = time.Second
			q.log.Info("watching QEMU", "machine", q.name, "monitor", q.conf.Socket, "version", mon.socket.Version)
			q.serve(ctx, mon, tell)
			continue // QEMU has ended, or the monitor's connection only
		case gone(err):
			q.log.Info("QEMU has ended", "machine", q.name, "reason", err)
			q.mu.Lock()
			q.ended = true
			q.mu.Unlock()
			tell(vmm.Event{Kind: vmm.Changed, Machine: q.name})
			return
		}
		q.log.Warn("cannot reach QEMU", "machine", q.name, "monitor", q.conf.Socket, "reason", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// serve hears events until the connection ends.
func (q *machine) serve(ctx context.Context, mon *monitor, tell func(vmm.Event)) {
	q.mu.Lock()
	q.mon = mon
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.mon = nil
		q.mu.Unlock()
		mon.close()
	}()
	tell(vmm.Event{Kind: vmm.Connected, Running: []string{q.name}})
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-mon.events:
			if !ok {
				return
			}
			switch e.Event {
			case "RESET", "SHUTDOWN":
				tell(vmm.Event{Kind: vmm.Rebooted, Machine: q.name})
			case "DEVICE_DELETED":
				tell(vmm.Event{Kind: vmm.Changed, Machine: q.name})
			}
		}
	}
}

func (q *machine) monitor() (*monitor, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.ended:
		return nil, vmm.ErrGone
	case q.mon == nil:
		return nil, errAway
	}
	return q.mon, nil
}

// Machine implements vmm.Hypervisor.
func (q *machine) Machine(ctx context.Context, name string) (vmm.Machine, error) {
	mon, err := q.monitor()
	if err != nil {
		return vmm.Machine{}, err
	}
	m := vmm.Machine{
		Name: name, Size: q.conf.Size, CID: q.conf.CID, Vsock: true, Run: fmt.Sprint(mon.owner.Pid),
		Access: ivshmem.Access{UID: int(mon.owner.Uid), GID: int(mon.owner.Gid)},
	}
	var devices []struct{ Name string }
	if err := mon.run(ctx, "qom-list", map[string]any{"path": "/machine/peripheral"}, &devices); err != nil {
		return m, fmt.Errorf("look at QEMU %s: %w", name, err)
	}
	for _, d := range devices {
		if ivshmem.IsName(d.Name) {
			m.Regions = append(m.Regions, d.Name)
		}
	}
	if err := q.tidy(ctx, mon, m.Regions); err != nil {
		return m, fmt.Errorf("look at QEMU %s: %w", name, err)
	}
	return m, nil
}

// memoryOf is the id of a region's memory backend, which QEMU keeps when the device is gone.
func memoryOf(region string) string { return region + "-memory" }

// tidy removes memory backends whose device is gone: they would keep the region's memory.
func (q *machine) tidy(ctx context.Context, mon *monitor, devices []string) error {
	var objects []struct{ Name string }
	if err := mon.run(ctx, "qom-list", map[string]any{"path": "/objects"}, &objects); err != nil {
		return err
	}
	inUse := map[string]bool{}
	for _, d := range devices {
		inUse[memoryOf(d)] = true
	}
	for _, o := range objects {
		region, ours := strings.CutSuffix(o.Name, "-memory")
		if !ours || !ivshmem.IsName(region) || inUse[o.Name] {
			continue
		}
		if err := mon.run(ctx, "object-del", map[string]any{"id": o.Name}, nil); err != nil {
			return err
		}
	}
	return nil
}

// Attach implements vmm.Hypervisor.
func (q *machine) Attach(ctx context.Context, name string, d vmm.Device) error {
	if err := vmm.CheckSize(d.Size); err != nil {
		return fmt.Errorf("attach device: %w", err) // QEMU would end
	}
	mon, err := q.monitor()
	if err != nil {
		return err
	}
	err = mon.run(ctx, "object-add", map[string]any{
		"qom-type": "memory-backend-file", "id": memoryOf(d.Region), "share": true, "size": d.Size,
		"mem-path": filepath.Join(ivshmem.Dir, d.Region),
	}, nil)
	if err != nil {
		return fmt.Errorf("attach device: %w", err)
	}
	bus, err := bus(ctx, mon)
	if err == nil {
		err = mon.run(ctx, "device_add", map[string]any{
			"driver": "ivshmem-plain", "id": d.Region, "memdev": memoryOf(d.Region), "bus": bus,
		}, nil)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("attach device: %w", err)
	if undo := mon.run(ctx, "object-del", map[string]any{"id": memoryOf(d.Region)}, nil); undo != nil {
		err = errors.Join(err, undo)
	}
	if ctx.Err() != nil {
		return err
	}
	return &vmm.HotplugError{Err: err, Advice: "start QEMU with a slot for hot-plug: machine type pc with ACPI, or q35 with -device pcie-root-port,id=rp0 -device pcie-pci-bridge,id=br0,bus=rp0"}
}

// Detach implements vmm.Hypervisor.
func (q *machine) Detach(ctx context.Context, name string, d vmm.Device) error {
	mon, err := q.monitor()
	if err != nil {
		return err
	}
	err = mon.run(ctx, "device_del", map[string]any{"id": d.Region}, nil)
	if err != nil && !strings.Contains(err.Error(), "already in the process of unplug") {
		return fmt.Errorf("detach device: %w", err)
	}
	return nil
}

// AttachVsock implements vmm.Hypervisor. Machine says that none is wanted: QEMU's command line has it, or not.
func (q *machine) AttachVsock(context.Context, string) error {
	return errors.New("attach vsock: start QEMU with -device vhost-vsock-pci,guest-cid=N and name N by --cid")
}
