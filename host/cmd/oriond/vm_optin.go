// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/control"
	"github.com/orion-vgpu/orion/vmm/libvirt"
)

const (
	// settleTime is what vm enable waits for oriond to attach the device.
	settleTime = 10 * time.Second
	// hearTime is what oriond has to hear of a change: until then a failure may be an old one.
	hearTime = 2 * time.Second
)

func vmEnableCommand(path *string) *cobra.Command {
	var size, node string
	var print bool
	cmd := &cobra.Command{
		Use:   "enable DOMAIN",
		Short: "Opt a virtual machine in: it has vGPUs whenever it runs",
		Long: `enable writes Orion's element into the metadata of a domain, for this run and later ones. If the machine
runs, oriond attaches the device at once. Where a running machine cannot have it, enable says what to add to its XML.

The size bounds what programs in the guest have together: the pinned memory, and room for copies on their way.
256MiB serve about four programs at once. It uses memory of the host as it is used. Another size is taken up when
the machine starts anew.`,
		Example: `  oriond vm enable web1
  oriond vm enable web1 --size 1GiB
  oriond vm enable web1 --print        # change nothing, show what goes into <metadata>`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bytes, err := vmm.ParseSize(size)
			if err != nil {
				return fmt.Errorf("--size: %w", err)
			}
			out := cmd.OutOrStdout()
			if print {
				fmt.Fprintf(out, "<metadata>\n  %s\n</metadata>\n", libvirt.Snippet(bytes, node))
				return nil
			}
			c, client, err := machines(*path)
			if err != nil {
				return err
			}
			change, err := libvirt.Enable(c.Server.LibvirtURI, args[0], bytes, node)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s has opted in with %s\n", args[0], vmm.FormatSize(bytes))
			if !change.Running {
				fmt.Fprintln(out, "it has vGPUs from its next start on")
				if change.Advice != "" {
					fmt.Fprintf(out, "for the device to be attached then: %s\n", change.Advice)
				}
				return nil
			}
			return awaitAttached(cmd.Context(), client, out, args[0])
		},
	}
	cmd.Flags().StringVar(&size, "size", vmm.FormatSize(vmm.DefaultSize), "memory shared with the guest: a power of two, from 64MiB to 64GiB")
	cmd.Flags().StringVar(&node, "node", "", "node_name of the oriond that is to serve the machine, where a host has several (default: any)")
	cmd.Flags().BoolVar(&print, "print", false, "print the element for virsh edit, and change nothing")
	return cmd
}

// awaitAttached waits for oriond to have done what it can.
func awaitAttached(ctx context.Context, client *control.Client, out io.Writer, name string) error {
	var last vmm.Status
	for start := time.Now(); time.Since(start) < settleTime; time.Sleep(100 * time.Millisecond) {
		r, err := client.Report(ctx)
		if errors.Is(err, control.ErrAway) {
			fmt.Fprintf(out, "it gets its device when oriond runs (%v)\n", err)
			return nil
		}
		if err != nil {
			return err
		}
		for _, s := range r.Machines {
			if s.Name == name {
				last = s
			}
		}
		switch {
		case last.State == vmm.Attached:
			what := "its device is attached"
			if last.Hybrid != "" {
				what = "its programs are let in"
			}
			fmt.Fprintf(out, "%s; install the client in the guest, then: ORION_VGPU=1 PROGRAM\n", what)
			return nil
		case last.State == vmm.Failed && time.Since(start) > hearTime:
			return fmt.Errorf("%s has opted in, and has no device yet: %s", name, last.Reason)
		}
	}
	return fmt.Errorf("%s has opted in, and has no device after %v; \"oriond vm status %s\" says why", name, settleTime, name)
}

func vmDisableCommand(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "disable DOMAIN",
		Short: "Take a virtual machine's opting in back, and its device",
		Long: `disable removes Orion's element from the metadata of a domain. If the machine runs, its sessions end and
oriond detaches the device.`,
		Example: "  oriond vm disable web1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := machines(*path)
			if err != nil {
				return err
			}
			change, err := libvirt.Disable(c.Server.LibvirtURI, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s has no vGPUs any more\n", args[0])
			if change.Running {
				fmt.Fprintf(cmd.OutOrStdout(), "oriond detaches its device when the guest lets go; \"oriond vm status %s\" tells\n", args[0])
			}
			return nil
		},
	}
}
