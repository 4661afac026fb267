// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/session/record"
)

func sessionsCommand(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "List or end the sessions on this node",
		Long: `A session is a CUDA program with its vGPUs and its worker process. Sessions go on while oriond is stopped;
these commands work all the same.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(listCommand(path), killCommand(path))
	return cmd
}

func listCommand(path *string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the sessions on this node, oldest first",
		Example: "  oriond sessions list\n  oriond sessions list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := liveSessions(*path)
			if err != nil {
				return err
			}
			switch output {
			case "table":
				return printTable(cmd.OutOrStdout(), all, time.Now())
			case "json":
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(all)
			}
			return fmt.Errorf("--output is %q: want table or json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func printTable(w io.Writer, all []record.Session, now time.Time) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "SESSION\tPROGRAM\tCLIENT\tWORKER\tVGPUS\tMEMORY\tRUNS")
	for _, r := range all {
		var memory uint64
		for _, v := range r.VGPUs {
			memory += v.MemoryBytes
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%d\t%d MiB\t%v\n", r.ID, filepath.Base(r.Program), clientText(r), r.Worker.PID,
			len(r.VGPUs), memory>>20, now.Sub(r.Since).Round(time.Second))
	}
	return out.Flush()
}

// clientText says who has a session: a process of this host, a virtual machine, or another host.
func clientText(r record.Session) string {
	switch {
	case r.Slice != nil:
		return r.Slice.Domain
	case r.From != "":
		return r.From
	}
	return strconv.Itoa(r.Client.PID)
}

func killCommand(path *string) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "kill SESSION... | --all",
		Short: "End sessions: the programs get CUDA errors, their vGPUs become free",
		Example: `  oriond sessions kill 3f0c9a12de45b678
  oriond sessions kill --all`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if all == (len(ids) > 0) {
				return errors.New("name the sessions to end, as oriond sessions list shows them, or use --all")
			}
			found, err := liveSessions(*path)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if !slices.ContainsFunc(found, func(r record.Session) bool { return r.ID == id }) {
					return fmt.Errorf("no session %s runs here; oriond sessions list shows those that do", id)
				}
			}
			var failed []error
			for _, r := range found {
				if !all && !slices.Contains(ids, r.ID) {
					continue
				}
				if err := kill(r); err != nil {
					failed = append(failed, err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "ended session %s (%s)\n", r.ID, filepath.Base(r.Program))
			}
			return errors.Join(failed...)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "end all sessions on this node")
	return cmd
}

// liveSessions returns the sessions whose workers run.
func liveSessions(path string) ([]record.Session, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	found, err := record.Load(record.Dir(c.Server.Socket))
	if err != nil {
		return nil, fmt.Errorf("%w (run as the user that oriond runs as)", err)
	}
	boot, err := process.BootID()
	if err != nil {
		return nil, err
	}
	live := []record.Session{} // an empty list in JSON too
	for _, r := range found {
		if r.Boot != boot {
			continue
		}
		h, err := process.Open(r.Worker)
		if errors.Is(err, process.ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !h.Ended() {
			live = append(live, r)
		}
		h.Close()
	}
	return live, nil
}

// killTimeout bounds the wait for a killed worker: the driver may have to give memory back first.
const killTimeout = 10 * time.Second

// kill ends a session's worker and waits until it is gone. oriond does the rest, or the next oriond.
func kill(r record.Session) error {
	h, err := process.Open(r.Worker)
	if errors.Is(err, process.ErrGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end session %s: %w", r.ID, err)
	}
	timer := time.AfterFunc(killTimeout, func() { h.Close() })
	defer timer.Stop()
	defer h.Close()
	if err := h.Kill(); err != nil && !errors.Is(err, process.ErrGone) {
		return fmt.Errorf("end session %s: %w", r.ID, err)
	}
	if err := h.Wait(); err != nil {
		return fmt.Errorf("end session %s: worker %d has not ended %v after SIGKILL", r.ID, r.Worker.PID, killTimeout)
	}
	return nil
}
