// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/vmm/control"
)

func vmCommand(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vm",
		Short: "Give virtual machines vGPUs, and see which have them",
		Long: `A virtual machine that libvirt manages opts in by an element in the metadata of its domain, which "vm enable"
writes and "virsh edit" shows. From then on oriond attaches a device (ivshmem) whenever the machine runs: memory
that CUDA programs in the guest share with this host. Nothing is done to machines that did not opt in.

States: attached; waiting (oriond is at it); failed, with the reason; detaching (the guest has not let go yet);
detached (by "vm detach", until the machine starts again); stopped.`,
		Example: `  # A machine gets vGPUs, at once if it runs and can
  oriond vm enable web1
  oriond vm status web1

  # The same by hand: the element goes into <metadata>
  oriond vm enable web1 --print
  virsh edit web1

  # Before a save or a migration, which the device is in the way of
  oriond vm detach web1

  # A QEMU without libvirt
  oriond vm attach --qmp /run/vm7/qmp.sock --name vm7`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(vmEnableCommand(path), vmDisableCommand(path), vmListCommand(path), vmStatusCommand(path),
		vmDetachCommand(path), vmAttachCommand(path))
	return cmd
}

// machines reads the configuration and returns a way to ask the oriond that runs by it.
func machines(path string) (*config.Config, *control.Client, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, nil, err
	}
	return c, control.NewClient(control.Socket(machinesDir(c))), nil
}
