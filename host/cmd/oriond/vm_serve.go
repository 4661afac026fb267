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
	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/control"
	"github.com/orion-vgpu/orion/vmm/libvirt"
	"github.com/orion-vgpu/orion/vmm/qmp"
	"github.com/orion-vgpu/orion/vmm/record"
)

// machinesDir is the folder of what oriond knows of virtual machines.
func machinesDir(c *config.Config) string {
	return strings.TrimSuffix(c.Server.Socket, ".sock") + ".vm"
}

// openMachines returns the virtual machines that opted in; nil where none are served.
func openMachines(c *config.Config, log *slog.Logger, data *net.TCPAddr, endDomain func(name string)) (*vmm.Manager, error) {
	if !c.Server.EnableKVM {
		return nil, nil
	}
	_, err := os.Stat("/dev/vhost-vsock")
	return vmm.New(vmm.Options{
		Dir: machinesDir(c), Node: c.Server.NodeName, Logger: log, Vsock: err == nil,
		Hypervisor: libvirt.New(c.Server.LibvirtURI, log),
		Dial:       func(name string, m record.Monitor) vmm.Hypervisor { return qmp.New(name, m, log) },
		EndDomain:  endDomain,
		Endpoint:   func() (uint16, string) { return uint16(data.Port), guestAddress(data.IP) },
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
