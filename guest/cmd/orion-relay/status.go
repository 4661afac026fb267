// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/orion-vgpu/orion/guest/config"
)

// errNoService is for the exit status of a status that is not good.
var errNoService = errors.New("programs cannot use GPUs through it")

// status writes whether a relay serves here, and how the ways to an oriond stand.
func status(ctx context.Context, c *config.Config, w io.Writer) error {
	serves, reachable := true, false
	conn, err := net.DialTimeout("unix", c.Relay, time.Second)
	if err != nil {
		serves = false
		fmt.Fprintf(w, "orion-relay does not serve on %s: %v (systemctl start orion-relay)\n", c.Relay, err)
	} else {
		conn.Close()
		fmt.Fprintf(w, "orion-relay serves on %s\n", c.Relay)
	}
	told := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	for _, s := range servers(ctx, c, told) {
		dialling, cancel := context.WithTimeout(ctx, 3*time.Second)
		conn, err := s.Dial(dialling)
		cancel()
		if err != nil {
			fmt.Fprintf(w, "oriond at %s: not reachable: %v\n", s.Name, err)
			continue
		}
		conn.Close()
		reachable = true
		fmt.Fprintf(w, "oriond at %s: reachable\n", s.Name)
	}
	if !c.EnableNet {
		fmt.Fprintln(w, "other machines are not asked: enable_net is false in client.conf")
	}
	if !serves || !reachable {
		return errNoService
	}
	return nil
}
