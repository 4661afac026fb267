// SPDX-License-Identifier: Apache-2.0

// Command oriond serves the GPUs of a node to CUDA programs: it starts one worker process for each of them.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/host/release"
)

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "oriond:", err)
		os.Exit(1)
	}
}

// command builds the command line. Without a subcommand oriond runs.
func command() *cobra.Command {
	var path string
	run := runCommand(&path)
	root := &cobra.Command{
		Use:   "oriond",
		Short: "Serve this node's GPUs to CUDA programs",
		Long: `oriond runs on every node of an Orion pool. It tells orion-controller what GPUs the node has, and starts a
worker process for each CUDA program that is granted vGPUs here.

Programs reach it by a unix socket (key socket in section [server]); what they may have is up to
orion-controller (key controller_addr in section [controller]). Without an NVIDIA GPU oriond offers software
GPUs, which run PTX.

oriond can be stopped and started while programs run: their workers go on, and the next oriond takes them
over. "oriond sessions kill" ends them.`,
		Example: `  # Serve, as /etc/orion/server.conf says
  oriond

  # Serve by another file, and see that it is right first
  oriond check-config --config ./server.conf
  oriond --config ./server.conf

  # What runs here? End all of it.
  oriond sessions list
  oriond sessions kill --all

  # A virtual machine gets vGPUs
  oriond vm enable web1`,
		Args:          cobra.NoArgs,
		Version:       release.Version,
		RunE:          run.RunE,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&path, "config", "c", "", "configuration file (default "+config.Path+", which may be absent)")
	root.Flags().AddFlagSet(run.Flags())
	root.AddCommand(run, sessionsCommand(&path), vmCommand(&path), checkCommand(&path), versionCommand(), workerCommand())
	return root
}
