// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/host/config"
)

func checkCommand(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "check-config",
		Short: "Check the configuration and print what follows from it",
		Long: `check-config reads the configuration as oriond would. A mistake is named by file, line and key, and the
exit status is 1.`,
		Example: "  oriond check-config --config ./server.conf",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(*path)
			if err != nil {
				return err
			}
			data, err := c.Server.DataAddress()
			if err != nil {
				return err
			}
			hostMemory, err := c.Server.HostMemory()
			if err != nil {
				return err
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, line := range [][2]any{
				{"node", c.Server.NodeName},
				{"controller", c.Controller},
				{"socket", socketText(c)},
				{"data plane", data},
				{"virtual machines", machinesText(c)},
				{"GPUs", gpuText(c)},
				{"vGPUs per GPU", c.Server.VGPUCount},
				{"sessions at most", c.Server.MaxSessions},
				{"host memory of each", hostMemoryText(hostMemory)},
				{"logs", logText(c)},
			} {
				fmt.Fprintf(out, "%v\t%v\n", line[0], line[1])
			}
			return out.Flush()
		},
	}
}

func socketText(c *config.Config) string {
	if !c.Server.EnableShm {
		return "none (enable_shm=false)"
	}
	return c.Server.Socket
}

func machinesText(c *config.Config) string {
	if !c.Server.EnableKVM {
		return "none (enable_kvm=false)"
	}
	return "those of " + c.Server.LibvirtURI + " that opt in"
}

func gpuText(c *config.Config) string {
	soft := fmt.Sprintf("%d software GPUs of %d MiB", c.Server.SoftGPUDevices, c.Server.SoftGPUMemoryMiB)
	switch c.Server.GPUs {
	case "softgpu":
		return soft
	case "auto":
		return "NVIDIA GPUs, else " + soft
	}
	return "NVIDIA GPUs"
}

func hostMemoryText(bytes uint64) string {
	if bytes == 0 {
		return "without a bound (host_memory_mib=0)"
	}
	return fmt.Sprintf("at most %d MiB, besides what it shares", bytes>>20)
}

func logText(c *config.Config) string {
	if !c.Log.ToFile {
		return fmt.Sprintf("sessions only, in %s", sessionLogs(c))
	}
	return fmt.Sprintf("%s/%s, sessions in %s", c.Log.Dir, c.Log.File, sessionLogs(c))
}
