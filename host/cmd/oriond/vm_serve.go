// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/control"
	"github.com/orion-vgpu/orion/vmm/hybrid"
	"github.com/orion-vgpu/orion/vmm/libvirt"
	"github.com/orion-vgpu/orion/vmm/qmp"
	"github.com/orion-vgpu/orion/vmm/record"
)

// machinesDir is the folder of what oriond knows of virtual machines.
func machinesDir(c *config.Config) string {
	return strings.TrimSuffix(c.Server.Socket, ".sock") + ".vm"
}

// accept serves the clients of one more entrance until ctx is over.
type accept func(context.Context, *entrance.Listener) error

// acceptHybrid makes the socket to which a machine's monitor connects, and serves who comes.
func acceptHybrid(ctx context.Context, serve accept, path, monitor string) error {
	l, err := entrance.ListenHybrid(path, 0o600)
	if err != nil {
		return err
	}
	if err := hybrid.GiveTo(path, monitor); err != nil {
		l.Close()
		return err
	}
	return serve(ctx, l)
}

// openMachines returns the virtual machines that opted in; nil where none are served. What it is given is called
// after runMachines only.
func openMachines(c *config.Config, log *slog.Logger, data *net.TCPAddr, endDomain func(name string), accept accept) (*vmm.Manager, error) {
	if !c.Server.EnableKVM {
		return nil, nil
	}
	_, err := os.Stat("/dev/vhost-vsock")
	return vmm.New(vmm.Options{
		Dir: machinesDir(c), Node: c.Server.NodeName, Logger: log, Vsock: err == nil,
		Hypervisor: libvirt.New(c.Server.LibvirtURI, log),
		Dial: func(name string, m record.Monitor) vmm.Hypervisor {
			if m.Vsock != "" {
				return hybrid.New(name, m.Vsock, func(ctx context.Context, path string) error {
					return acceptHybrid(ctx, accept, path, m.Vsock)
				}, log)
			}
			return qmp.New(name, m, log)
		},
		EndDomain: endDomain,
		Endpoint:  func() (uint16, string) { return uint16(data.Port), guestAddress(data.IP) },
	})
}

// guestAddress is where guests reach oriond by TCP: where it listens, or their default gateway, which leads to
// this host from the networks that the host itself makes for its guests.
func guestAddress(ip net.IP) string {
	if ip.IsUnspecified() || ip.IsLoopback() {
		return ""
	}
	return ip.String()
}

// runMachines serves virtual machines, and commands about them, until ctx is over. The caller then waits.
func runMachines(ctx context.Context, m *vmm.Manager, c *config.Config, log *slog.Logger) (wait func()) {
	var running sync.WaitGroup
	if m != nil {
		running.Go(func() { m.Run(ctx) })
		running.Go(func() {
			if err := control.Serve(ctx, control.Socket(machinesDir(c)), m); err != nil {
				log.Error("\"oriond vm\" cannot ask this oriond", "reason", err)
			}
		})
	}
	return running.Wait
}
