// SPDX-License-Identifier: Apache-2.0

// Command orion-relay carries programs' GPU sessions to an oriond on the host of this virtual machine or on
// another machine, where no memory can be shared with it.
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
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "orion-relay:", err)
		os.Exit(1)
	}
}
