// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"net"
	"testing"

	"github.com/orion-vgpu/orion/controller/api"
	"github.com/orion-vgpu/orion/controller/pool"
	"github.com/orion-vgpu/orion/controller/store"
	"github.com/orion-vgpu/orion/host/gpu"
)

// BenchmarkGrantRelease is what the pool adds to the start and the end of a program.
func BenchmarkGrantRelease(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- api.Serve(ctx, l, pool.New(pool.Config{Store: store.NewMemory(), Log: quiet}), quiet) }()
	defer func() { cancel(); <-done }()
	gpus, err := gpu.NewSoft("n", 2, 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	c := New(Config{Controller: l.Addr().String(), Node: "n", VGPUCount: 4, GPUs: gpus, Log: quiet})
	defer c.transport.CloseIdleConnections()
	for b.Loop() {
		lease, err := c.Grant(ctx, Request{VGPUs: 2})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Release(ctx, lease.ID); err != nil {
			b.Fatal(err)
		}
	}
}
