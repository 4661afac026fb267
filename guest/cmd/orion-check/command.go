// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/guest/check/client"
	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/guest/config"
	server "github.com/orion-vgpu/orion/host/check"
	serverconfig "github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// patience bounds all that is asked.
const patience = time.Minute

// errFailed says that a check failed, of which the report tells.
var errFailed = errors.New("a check failed")

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "orion-check",
		Short: "Look for what is wrong with an installation of Orion vGPU",
		Long: `orion-check looks at everything that can be wrong where programs use vGPUs, or where they
are served, and prints a line for each thing: PASS, WARN or FAIL, and the command that
mends it. It changes nothing and takes no vGPU.

Exit status: 0 if nothing failed (warnings do not count), 1 if a check failed, 2 if it
could not be checked, such as for a wrong option.`,
		Example: `  orion-check runtime client
  orion-check runtime client --program ./train
  orion-check runtime server -o json | jq '.checks[] | select(.status == "FAIL")'`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return errors.New("say what to check: orion-check runtime client, or orion-check runtime server")
		},
	}
	runtime := &cobra.Command{
		Use:   "runtime",
		Short: "Check what programs need as they run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return errors.New("say which side to check: orion-check runtime client, or orion-check runtime server")
		},
	}
	runtime.AddCommand(clientCommand(), serverCommand())
	root.AddCommand(runtime, &cobra.Command{
		Use:   "version",
		Short: "Print the release, and what oriond must match",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "orion-check %s (protocol %d, commands %016x)\n", release.Version, wire.Version, uint64(cuda.SpecHash))
			return err
		},
	})
	return root
}

func clientCommand() *cobra.Command {
	var o client.Options
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Check this machine as one where programs use vGPUs",
		Long: `client checks a virtual machine, or a host, where programs use vGPUs: which libraries the
dynamic linker gives them, whether these match oriond, by which carrier they reach it
(shared memory of a host, a virtual machine's ivshmem device, orion-relay), devices and
permissions, and the pool.

Run it as the user who runs the programs and in their environment. Under sudo it judges
for the user who called sudo.

--program reads a program, or a library that it opens at run time such as
libcudart.so.12, with all it is linked with, and tells whether an rpath leads past
Orion's library.`,
		Example: `  orion-check runtime client
  orion-check runtime client --program /opt/app/bin/train`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&o.Config, "config", "", "configuration `file`, in place of client.conf of user and system ("+config.SystemPath+")")
	cmd.Flags().StringVar(&o.Program, "program", "", "a program or library, whose libcuda.so.1 is asked for")
	report(cmd, "client", func(ctx context.Context, s *system.System) ([]check.Fact, []check.Finding) {
		f := client.Gather(ctx, s, o)
		return f.Information(), check.Run(f.Checks(), f)
	})
	return cmd
}

func serverCommand() *cobra.Command {
	var o server.Options
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Check this machine as one that serves GPUs",
		Long: `server checks a node: NVIDIA's driver and the GPUs, oriond and its configuration, logs
and ports, what it needs of the kernel, of libvirt and of vsock for virtual machines, and
what orion-controller knows of this node. As root it sees more.`,
		Example: `  sudo orion-check runtime server
  sudo orion-check runtime server --config ./server.conf`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&o.Config, "config", "c", "", "configuration `file` (default: what oriond was started with, else "+serverconfig.Path+")")
	report(cmd, "server", func(ctx context.Context, s *system.System) ([]check.Fact, []check.Finding) {
		f := server.Gather(ctx, s, o)
		return f.Information(), check.Run(server.Checks(), f)
	})
	return cmd
}

// report makes a command that gathers, judges and writes.
func report(cmd *cobra.Command, target string, look func(context.Context, *system.System) ([]check.Fact, []check.Finding)) {
	var output string
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		write := map[string]func(*check.Report, io.Writer) error{
			"text": (*check.Report).WriteText, "table": (*check.Report).WriteText, "json": (*check.Report).WriteJSON,
		}[output]
		if write == nil {
			return fmt.Errorf("--output is %q: want text or json", output)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), patience)
		defer cancel()
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("ask for the host's name: %w", err)
		}
		s := system.Here()
		r := &check.Report{Target: target, Host: host, User: s.User.Name, Release: release.Version}
		r.Information, r.Findings = look(ctx, s)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("check: %w", err)
		}
		if err := write(r, cmd.OutOrStdout()); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if r.Status() == check.Fail {
			return errFailed
		}
		return nil
	}
}
