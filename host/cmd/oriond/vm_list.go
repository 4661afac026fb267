// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/control"
	"github.com/orion-vgpu/orion/vmm/libvirt"
)

func vmListCommand(path *string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the virtual machines that opted in, running or not",
		Example: "  oriond vm list\n  oriond vm list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showMachines(cmd, *path, "", output, printMachines)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func vmStatusCommand(path *string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "status [DOMAIN]",
		Short:   "Say all that oriond knows of the virtual machines that opted in",
		Example: "  oriond vm status web1\n  oriond vm status -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return showMachines(cmd, *path, strings.Join(args, ""), output, printStatus)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// showMachines prints all machines, or one by its name.
func showMachines(cmd *cobra.Command, path, name, output string, table func(io.Writer, []vmm.Status) error) error {
	if output != "table" && output != "json" {
		return fmt.Errorf("--output is %q: want table or json", output)
	}
	c, client, err := machines(path)
	if err != nil {
		return err
	}
	report, away := client.Report(cmd.Context())
	if away != nil && !errors.Is(away, control.ErrAway) {
		return away
	}
	all, err := allMachines(c, report, away)
	if name != "" {
		all = slices.DeleteFunc(all, func(s vmm.Status) bool { return s.Name != name })
		if len(all) == 0 && err == nil {
			return fmt.Errorf("virtual machine %s has not opted in, or is not there; \"oriond vm enable %s\" opts it in", name, name)
		}
	}
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "oriond:", err)
	}
	if output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	return table(cmd.OutOrStdout(), all)
}

// allMachines joins what libvirt knows of opting in with what oriond knows of running machines. An error tells
// of what is left out.
func allMachines(c *config.Config, report vmm.Report, away error) ([]vmm.Status, error) {
	all := append([]vmm.Status{}, report.Machines...)
	domains, err := libvirt.List(c.Server.LibvirtURI)
	for _, d := range domains {
		if slices.ContainsFunc(all, func(s vmm.Status) bool { return s.Name == d.Name }) {
			continue
		}
		s := vmm.Status{Name: d.Name, UUID: d.UUID, State: vmm.Stopped, Size: d.Size}
		switch {
		case d.Fault != nil:
			s.State, s.Reason = vmm.Failed, d.Fault.Error()
		case !d.Running:
		case d.Node != "" && d.Node != c.Server.NodeName:
			s.State, s.Reason = vmm.Waiting, fmt.Sprintf("for the oriond of node %s; this one is %s", d.Node, c.Server.NodeName)
		case away != nil:
			s.State, s.Reason = vmm.Waiting, away.Error()
		case report.Hypervisor != "":
			s.State, s.Reason = vmm.Waiting, "oriond has no connection to libvirt: "+report.Hypervisor
		default:
			s.State, s.Reason = vmm.Waiting, "oriond has not heard of it yet"
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b vmm.Status) int { return strings.Compare(a.Name, b.Name) })
	if err != nil {
		err = fmt.Errorf("machines of libvirt that do not run are left out: %w", err)
	}
	return all, err
}

func printMachines(w io.Writer, all []vmm.Status) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "MACHINE\tSTATE\tSIZE\tPROGRAMS\tVSOCK\tREASON")
	for _, s := range all {
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%s\t%s\n", s.Name, s.State, vmm.FormatSize(s.Size), s.Slices, cidText(s.CID), s.Reason)
	}
	return out.Flush()
}

func printStatus(w io.Writer, all []vmm.Status) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "machine\t%s\n", s.Name)
		for _, line := range [][2]string{
			{"uuid", s.UUID}, {"monitor", s.QMP}, {"hybrid vsock", s.Hybrid}, {"state", string(s.State)}, {"reason", s.Reason},
			{"size", vmm.FormatSize(s.Size)}, {"programs", fmt.Sprint(s.Slices)}, {"vsock address", cidText(s.CID)},
			{"memory", s.Region},
		} {
			if line[1] != "" {
				fmt.Fprintf(out, "%s\t%s\n", line[0], line[1])
			}
		}
	}
	return out.Flush()
}

func cidText(cid uint32) string {
	if cid == 0 {
		return "none"
	}
	return fmt.Sprint(cid)
}
