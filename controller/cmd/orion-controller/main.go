// SPDX-License-Identifier: Apache-2.0

// Command orion-controller keeps a pool of GPUs and grants vGPUs of it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "orion-controller:", err)
		os.Exit(1)
	}
}
