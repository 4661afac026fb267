// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/record"
)

func vmDetachCommand(path *string) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "detach DOMAIN",
		Short: "Take the device from a running virtual machine, until it starts again",
		Long: `detach ends the sessions of a running machine, takes its device, and waits for the guest to let go. The machine
stays opted in: it gets the device again at its next start, or by "vm attach". With the device it can neither be
saved nor migrated.`,
		Example: `  oriond vm detach web1
  virsh save web1 /var/tmp/web1.saved
  virsh restore /var/tmp/web1.saved`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, client, err := machines(*path)
			if err != nil {
				return err
			}
			if wait < time.Second || wait > 10*time.Minute {
				return fmt.Errorf("--wait is %v: want from 1s to 10m", wait)
			}
			if err := client.Detach(cmd.Context(), args[0], wait); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is detached\n", args[0])
			return nil
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Second, "time that the guest has to let go")
	return cmd
}

func vmAttachCommand(path *string) *cobra.Command {
	var monitor, vsock, name, size string
	var cid uint32
	cmd := &cobra.Command{
		Use:   "attach DOMAIN | --qmp SOCKET | --vsock SOCKET",
		Short: "Give a running virtual machine its device again, or one without libvirt a way in",
		Long: `attach undoes "vm detach".

With --qmp it gives the device to a QEMU that libvirt does not manage, by a monitor that nothing else uses. oriond
watches QEMU from then on, by that monitor, and removes the memory when QEMU ends. QEMU needs a slot for hot-plug:
machine type pc, or q35 with a PCI bridge.

With --vsock it lets in the programs of a machine by hybrid vsock, as Firecracker, cloud-hypervisor and
vhost-device-vsock have it: oriond listens at SOCKET_9960, to which the monitor connects for the guest. There is no
shared memory then; orion-relay in the guest carries everything over that connection. "vm detach" ends it.`,
		Example: `  oriond vm attach web1

  qemu-system-x86_64 -M q35 -device pcie-root-port,id=rp0 -device pcie-pci-bridge,id=br0,bus=rp0 \
      -qmp unix:/run/vm7/orion.qmp,server=on,wait=off ...
  oriond vm attach --qmp /run/vm7/orion.qmp --name vm7 --size 512MiB

  oriond vm attach --vsock /run/fc1/v.sock --name fc1    # "uds_path" of Firecracker's vsock device`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ways := len(args)
			for _, socket := range []string{monitor, vsock} {
				if socket != "" {
					ways++
				}
			}
			if ways != 1 {
				return errors.New("name the domain, or the monitor of a QEMU by --qmp, or a monitor's vsock by --vsock")
			}
			_, client, err := machines(*path)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if err := client.Attach(cmd.Context(), args[0]); err != nil {
					return err
				}
				return awaitAttached(cmd.Context(), client, cmd.OutOrStdout(), args[0])
			}
			mon, err := monitorOf(monitor, vsock, size, cid)
			if err != nil {
				return err
			}
			if name == "" {
				name = cmp.Or(mon.Socket, mon.Vsock)
			}
			if err := client.AttachMonitor(cmd.Context(), name, mon); err != nil {
				return err
			}
			return awaitAttached(cmd.Context(), client, cmd.OutOrStdout(), name)
		},
	}
	cmd.Flags().StringVar(&monitor, "qmp", "", "monitor of a QEMU that libvirt does not manage: a unix socket")
	cmd.Flags().StringVar(&vsock, "vsock", "", "hybrid vsock of a monitor: its unix socket, without a port")
	cmd.Flags().StringVar(&name, "name", "", "with --qmp or --vsock: name of the machine for \"vm list\" and the logs (default: the socket)")
	cmd.Flags().StringVar(&size, "size", vmm.FormatSize(vmm.DefaultSize), "with --qmp: memory shared with the guest")
	cmd.Flags().Uint32Var(&cid, "cid", 0, "with --qmp: the guest's vsock address, if it has one")
	return cmd
}

// monitorOf says how oriond, which has another working directory, reaches a machine.
func monitorOf(qmp, vsock, size string, cid uint32) (record.Monitor, error) {
	path, err := filepath.Abs(qmp + vsock)
	if err != nil {
		return record.Monitor{}, fmt.Errorf("find socket: %w", err)
	}
	if vsock != "" {
		return record.Monitor{Vsock: path}, nil
	}
	bytes, err := vmm.ParseSize(size)
	if err != nil {
		return record.Monitor{}, fmt.Errorf("--size: %w", err)
	}
	return record.Monitor{Socket: path, Size: bytes, CID: cid}, nil
}
