// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/logging"
	"github.com/orion-vgpu/orion/host/worker"
)

// maxSessionLog bounds the log of a session, in bytes: a program can have as many lines written there as it likes.
const maxSessionLog = 4 << 20

// workerCommand is what oriond starts for each session; its arguments only name the session in ps.
func workerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "worker",
		Short:  "Serve one session (started by oriond)",
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE:   func(*cobra.Command, []string) error { return serveSession() },
	}
}

// lowAddresses starts this process again with the kernel's legacy layout, in which mappings grow up from the
// middle of the address space, as after "ulimit -s unlimited". The NVIDIA driver takes GPU addresses from there: they then lie far from where
// the client, whose layout is the usual one, has its libraries and heap. Where it is not allowed, the client
// still finds collisions by itself.
func lowAddresses() error {
	const query, compatLayout = 0xffffffff, 0x0200000
	current, _, errno := unix.Syscall(unix.SYS_PERSONALITY, query, 0, 0)
	if errno != 0 || current&compatLayout != 0 {
		return nil
	}
	if _, _, errno := unix.Syscall(unix.SYS_PERSONALITY, current|compatLayout, 0, 0); errno != 0 {
		return nil
	}
	return unix.Exec("/proc/self/exe", os.Args, os.Environ())
}

func serveSession() error {
	text, ok := os.LookupEnv(worker.ConfigEnv)
	if !ok {
		return errors.New("a worker is started by oriond, not by hand")
	}
	var conf worker.Config
	if err := json.Unmarshal([]byte(text), &conf); err != nil {
		return fmt.Errorf("read worker configuration: %w", err)
	}
	if conf.Backend == gpu.BackendCUDA {
		if err := lowAddresses(); err != nil {
			return fmt.Errorf("start again with other addresses: %w", err)
		}
	}
	level, err := logging.ParseLevel(conf.LogLevel)
	if err != nil {
		return fmt.Errorf("read worker configuration: %w", err)
	}
	// Where a host runs out of memory, a program's worker is to end, and not oriond. It may be closer to that already,
	// and then cannot get away from it.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	// A program's data is in this process: no core dumps, no reading by other processes of the worker's
	// user. Not with the NVIDIA driver, whose own threads look into /proc/self.
	if conf.Backend == gpu.BackendSoftGPU {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return fmt.Errorf("forbid core dumps: %w", err)
		}
	}
	var prepared *worker.Prepared
	if conf.Standby {
		if prepared, err = worker.Prepare(conf, openBackend); err != nil {
			return fmt.Errorf("prepare worker: %w", err)
		}
		conf, err = worker.Await()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	// Standard error will carry what kernels print to the client; the session's log keeps its descriptor.
	fd, err := unix.FcntlInt(uintptr(unix.Stderr), unix.F_DUPFD_CLOEXEC, worker.FirstFreeFD)
	if err != nil {
		return fmt.Errorf("keep the session's log: %w", err)
	}
	file := logging.NewBounded(os.NewFile(uintptr(fd), "session log"), maxSessionLog)
	log := slog.New(slog.NewTextHandler(file, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(log)
	return worker.Run(conf, prepared, openBackend, log)
}
