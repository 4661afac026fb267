// SPDX-License-Identifier: Apache-2.0

// Command orion-smi shows a pool of GPUs: its nodes, their GPUs, and who holds vGPUs of them.
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
		fmt.Fprintln(os.Stderr, "orion-smi:", err)
		os.Exit(1)
	}
}
