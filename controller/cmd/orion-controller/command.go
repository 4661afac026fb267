// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/controller/api"
	"github.com/orion-vgpu/orion/controller/config"
	"github.com/orion-vgpu/orion/controller/pool"
	"github.com/orion-vgpu/orion/controller/store"
	"github.com/orion-vgpu/orion/host/keyfile"
	"github.com/orion-vgpu/orion/host/logging"
	"github.com/orion-vgpu/orion/host/release"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

func command() *cobra.Command {
	var file, listen string
	root := &cobra.Command{
		Use:   "orion-controller",
		Short: "Keep a pool of GPUs and grant vGPUs of it",
		Long: `orion-controller keeps a pool of GPUs and grants vGPUs of it to programs.

Each node runs oriond, which registers with the controller, says every two seconds
what GPUs it has and what runs there, and asks for vGPUs on behalf of programs.
The controller keeps no state that it cannot learn anew: restart it at any time,
running programs do not notice.

It reads ` + config.Path + `, if that is there, or the file that
--config names. Without any file it listens on 127.0.0.1:9123, which other hosts
cannot reach: set [controller] listen_addr for a pool of several nodes, on a network
that you trust, since callers are not authenticated yet.

See the pool:   orion-smi
Or by hand:     curl -H 'Content-Type: application/json' -d '{"protocol": ` + fmt.Sprint(poolv1.Protocol) + `}' \
                  http://127.0.0.1:9123/orion.pool.v1.PoolService/List
Is it alive:    curl http://127.0.0.1:9123/healthz`,
		Example: `  orion-controller                               with the defaults, or ` + config.Path + `
  orion-controller --config ./controller.conf
  orion-controller --listen 10.0.0.1:9123`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			if listen != "" {
				if err := keyfile.CheckHostPort(listen); err != nil {
					return fmt.Errorf("--listen is %q: %w", listen, err)
				}
				c.Listen = listen
			}
			return run(cmd.Context(), c)
		},
	}
	root.Flags().StringVar(&file, "config", "", "configuration `file` (default "+config.Path+", if it is there)")
	root.Flags().StringVar(&listen, "listen", "", "`host:port` to listen on, over [controller] listen_addr")
	root.AddCommand(&cobra.Command{
		Use:   "version",
		Short: "Print the release and the version of the pool's protocol",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "orion-controller %s, pool protocol %d\n", release.Version, poolv1.Protocol)
		},
	})
	return root
}

// run serves until ctx ends.
func run(ctx context.Context, c *config.Config) (err error) {
	log, logs, err := logging.New(c.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logs.Close()) }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s: the port is taken, perhaps by another orion-controller; choose another by [controller] listen_addr or --listen", c.Listen)
	}
	if err != nil {
		return fmt.Errorf("listen on %s ([controller] listen_addr): %w", c.Listen, err)
	}
	log.Info("orion-controller listens", "address", listener.Addr().String(), "release", release.Version)

	p := pool.New(pool.Config{Store: store.NewMemory(), Log: log, NodeTimeout: c.NodeTimeout, LeaseTimeout: c.LeaseTimeout})
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { p.Run(ctx) })
	err = api.Serve(ctx, listener, p, log)
	cancel()
	watch.Wait()
	if err != nil {
		log.Error("orion-controller failed", "error", err)
		return err
	}
	log.Info("orion-controller stopped")
	return nil
}
