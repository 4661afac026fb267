// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/guest/config"
	"github.com/orion-vgpu/orion/guest/relay"
	"github.com/orion-vgpu/orion/host/logging"
	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

func command() *cobra.Command {
	var file string
	root := &cobra.Command{
		Use:   "orion-relay",
		Short: "Carry programs' GPU sessions to another machine",
		Long: `orion-relay carries the GPU sessions of this machine's programs to an oriond with which no
memory can be shared. Programs find it by its socket, ` + "`[client] relay_socket`" + `, when there is
neither an oriond nor an ivshmem device here. For each program it asks, in this order,

  the oriond of the host that this virtual machine runs on, by vsock;
  with enable_net = true, the oriond at server_addr, by TCP;
  with enable_net = true, the nodes that orion-controller names, by TCP, those with
  most free vGPUs first.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&file, "config", "", "configuration `file`, in place of client.conf of user and system")
	root.AddCommand(
		&cobra.Command{
			Use:   "run",
			Short: "Serve until SIGTERM or SIGINT, which end all sessions",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := config.Load(file)
				if err != nil {
					return err
				}
				return run(cmd.Context(), c)
			},
		},
		&cobra.Command{
			Use:   "status",
			Short: "Say whether orion-relay serves here, and which orionds it can reach",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := config.Load(file)
				if err != nil {
					return err
				}
				return status(cmd.Context(), c, cmd.OutOrStdout())
			},
		},
		&cobra.Command{
			Use:   "version",
			Short: "Print the release and the versions of what it speaks",
			Args:  cobra.NoArgs,
			Run: func(cmd *cobra.Command, _ []string) {
				fmt.Fprintf(cmd.OutOrStdout(), "orion-relay %s, protocol %d, commands %016x\n", release.Version, wire.Version, uint64(cuda.SpecHash))
			},
		})
	return root
}

func run(ctx context.Context, c *config.Config) (err error) {
	// Files are for programs, which have a home. A service's log is its standard error.
	c.Log.ToScreen, c.Log.Level, c.Log.ToFile = true, c.Log.FileLevel, false
	log, closer, err := logging.New(c.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	l, err := relay.Listen(c.Relay)
	if err != nil {
		return err
	}
	log.Info("orion-relay listens", "release", release.Version, "socket", c.Relay, "network", c.EnableNet)
	r := &relay.Relay{Servers: func(ctx context.Context) []relay.Server { return servers(ctx, c, log) }, Log: log, Release: release.Version}
	err = r.Serve(ctx, l)
	log.Info("orion-relay stopped")
	return err
}

// servers lists the ways to an oriond. What cannot be asked is left out, and logged.
func servers(ctx context.Context, c *config.Config, log *slog.Logger) []relay.Server {
	list := []relay.Server{relay.Vsock()}
	if !c.EnableNet {
		return list
	}
	if c.Server != "" {
		return append(list, relay.TCP(c.Server))
	}
	nodes, err := relay.Pool(ctx, c.Controller)
	if err != nil {
		log.Warn("no nodes of the pool are known", "reason", err)
	}
	return append(list, nodes...)
}
