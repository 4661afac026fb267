// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/guest/config"
	"github.com/orion-vgpu/orion/host/keyfile"
	"github.com/orion-vgpu/orion/host/release"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

func command() *cobra.Command {
	var file, controller, output string
	var watch bool
	root := &cobra.Command{
		Use:   "orion-smi",
		Short: "Show the pool's nodes, GPUs and vGPUs",
		Long: `orion-smi shows the pool's nodes, their GPUs, and which programs hold vGPUs of them.

It asks orion-controller, whose address it takes from
  --controller, else the environment's ORION_CONTROLLER, else controller_addr in
  ~/.orion/client.conf, else in ` + config.SystemPath + `, else 127.0.0.1:9123.

Memory and compute are what is granted to programs; "in use" is what the GPU itself
reports, by programs of the pool or others. A node that is LOST has stopped speaking
to the controller: nothing is granted there, its programs may be running still.`,
		Example: `  orion-smi
  orion-smi --watch
  orion-smi -o json | jq '.leases[].program'
  orion-smi --controller 10.0.0.1:9123`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, err := writer(output)
			if err != nil {
				return err
			}
			address, err := address(controller, file)
			if err != nil {
				return err
			}
			v := &view{address: address, out: cmd.OutOrStdout(), errors: cmd.ErrOrStderr(), write: write, clear: watch && output == "table" && isTerminal(cmd.OutOrStdout())}
			if watch {
				return v.watch(cmd.Context())
			}
			return v.once(cmd.Context())
		},
	}
	root.Flags().StringVar(&controller, "controller", "", "`host:port` of orion-controller")
	root.Flags().StringVar(&file, "config", "", "configuration `file`, in place of client.conf of user and system")
	root.Flags().StringVarP(&output, "output", "o", "table", "table, or json")
	root.Flags().BoolVarP(&watch, "watch", "w", false, "show the pool again whenever it changes, until interrupted")
	root.AddCommand(&cobra.Command{
		Use:   "version",
		Short: "Print the release and the version of the pool's protocol",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "orion-smi %s, pool protocol %d\n", release.Version, poolv1.Protocol)
		},
	})
	return root
}

// address is where the controller is. With the flag given, no file is read, so that a broken one does not
// stand in the way.
func address(flag, file string) (string, error) {
	if flag != "" {
		if err := keyfile.CheckHostPort(flag); err != nil {
			return "", fmt.Errorf("--controller is %q: %w", flag, err)
		}
		return flag, nil
	}
	c, err := config.Load(file)
	if err != nil {
		return "", err
	}
	return c.Controller, nil
}
