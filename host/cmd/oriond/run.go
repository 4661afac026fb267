// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/gpu/discover"
	"github.com/orion-vgpu/orion/host/logging"
	"github.com/orion-vgpu/orion/host/pool"
	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/host/session"
	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/proto/cuda"
)

// runFlags are what an administrator sets where the service is started.
type runFlags struct {
	socketMode string
	workerUser string
	regionMiB  uint64
}

func runCommand(path *string) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve until SIGTERM or SIGINT (the same as oriond alone)",
		Long: `run serves this node's GPUs until SIGTERM or SIGINT. Programs that use them then go on; "oriond sessions kill"
ends them.`,
		Example: `  oriond run --config ./server.conf
  oriond run --worker-user orion-worker    # as root: workers get another user`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := config.Load(*path)
			if err != nil {
				return err
			}
			// From the first signal on, a second one ends oriond at once.
			ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop)
			return run(ctx, c, f)
		},
	}
	cmd.Flags().StringVar(&f.socketMode, "socket-mode", "0666", "permissions of the socket: who may use GPUs")
	cmd.Flags().StringVar(&f.workerUser, "worker-user", "", "user that worker processes run as, where oriond runs as root (default: oriond's own)")
	cmd.Flags().Uint64Var(&f.regionMiB, "region-mib", 0, "MiB of memory shared with one program, which bounds its pinned memory (default: half of the machine's memory, at most 64 GiB)")
	return cmd
}

// run is oriond from its first to its last moment.
func run(ctx context.Context, c *config.Config, f runFlags) (err error) {
	mode, err := strconv.ParseUint(f.socketMode, 8, 9)
	if err != nil || mode == 0 {
		return fmt.Errorf("--socket-mode is %q: want permissions in octal, such as 0660", f.socketMode)
	}
	const maxRegionMiB = 1 << 26
	if f.regionMiB > maxRegionMiB {
		return fmt.Errorf("--region-mib is %d: want at most %d", f.regionMiB, maxRegionMiB)
	}
	if err := process.KeepDescriptors(); err != nil {
		return err
	}
	log, closer, err := logging.New(c.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	gpus, err := discover.Open(discover.Config{
		GPUs: c.Server.GPUs, IDs: c.Server.GPUIDs, Node: c.Server.NodeName, SoftDevices: c.Server.SoftGPUDevices,
		SoftMemoryBytes: uint64(c.Server.SoftGPUMemoryMiB) << 20, Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gpus.Close()) }()

	entrances, data, err := listen(c, log)
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range entrances { // closed already, unless the server did not come about
			l.Close()
		}
	}()

	// The pool asks the server what runs here, and the server asks the pool for leases. The first
	// heartbeat must know the adopted sessions, so it waits until the server is open.
	var server *session.Server
	client := pool.New(pool.Config{
		Controller: c.Controller, Node: c.Server.NodeName, DataAddress: poolAddress(data, c.Controller, log), VGPUCount: c.Server.VGPUCount,
		GPUs: gpus, Log: log,
		Sessions: func() []pool.Session { return poolSessions(server.Sessions()) },
	})
	machines, err := openMachines(c, log, data, func(name string) { server.EndDomain(name) },
		func(ctx context.Context, l *entrance.Listener) error { return server.Accept(ctx, l) })
	if err != nil {
		return err
	}
	hostMemory, err := c.Server.HostMemory()
	if err != nil {
		return err
	}
	options := session.Options{
		Socket: c.Server.Socket, SocketMode: os.FileMode(mode), NoListen: !c.Server.EnableShm,
		Listeners: entrances, LogDir: sessionLogs(c), WorkerLogLevel: c.Log.FileLevel,
		Node: c.Server.NodeName, Release: release.Version, Spec: cuda.SpecHash,
		RegionBytes: f.regionMiB << 20, MaxSessions: c.Server.MaxSessions, HostMemoryBytes: hostMemory, WorkerUser: f.workerUser,
		Standby: standbyWorkers(c.Server.StandbyWorkers, gpus.Backend()),
		Pool:    poolClient{client}, GPUs: gpus, Logger: log,
	}
	if machines != nil {
		options.Domains = machines
	}
	if server, err = session.Open(options); err != nil {
		return err
	}

	// The pool goes last: sessions that end while the server stops are still given back.
	beating, stopBeating := context.WithCancel(context.WithoutCancel(ctx))
	var heart sync.WaitGroup
	heart.Go(func() { client.Run(beating) })
	defer heart.Wait()
	defer stopBeating()

	wait := runMachines(ctx, machines, c, log)
	defer wait()
	log.Info("oriond serves", "release", release.Version, "node", c.Server.NodeName, "backend", gpus.Backend(),
		"socket", socketText(c), "controller", c.Controller)
	if err := notify("READY=1"); err != nil {
		log.Warn("systemd does not know that oriond is ready", "reason", err)
	}
	err = server.Serve(ctx)
	if n := len(server.Sessions()); n > 0 {
		log.Info("sessions go on without oriond; the next one adopts them, \"oriond sessions kill --all\" ends them", "sessions", n)
	}
	log.Info("oriond stopped")
	return err
}

// standbyWorkers is how many workers are kept ready for each GPU: by default one where a driver takes long to start.
func standbyWorkers(configured int, backend string) int {
	switch {
	case configured >= 0:
		return configured
	case backend == gpu.BackendCUDA:
		return 1
	}
	return 0
}

// sessionLogs is the folder of the sessions' logs.
func sessionLogs(c *config.Config) string { return filepath.Join(c.Log.Dir, "session") }
