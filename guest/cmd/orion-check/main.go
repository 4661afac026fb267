// SPDX-License-Identifier: Apache-2.0

// Command orion-check looks for what is wrong on a machine that uses vGPUs, or that serves them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	os.Exit(status(err, os.Stderr))
}

// status is the exit status: 0 without a failed check, 1 with one, 2 if it could not be checked.
func status(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	}
	fmt.Fprintln(stderr, "orion-check:", err)
	return 2
}
