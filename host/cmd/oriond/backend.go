// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"log/slog"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/cuda"
	"github.com/orion-vgpu/orion/host/driver/softgpu"
	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/worker"
)

// openBackend opens the driver that a session's GPUs need.
func openBackend(conf worker.Config, print func(fd int, text []byte)) (driver.Driver, error) {
	switch conf.Backend {
	case gpu.BackendCUDA:
		return cuda.Open("")
	case gpu.BackendSoftGPU:
		soft := softgpu.Config{NodeName: conf.Node, Log: slog.Default(),
			Stdout: func(text []byte) { print(1, text) }, Stderr: func(text []byte) { print(2, text) }}
		for _, v := range conf.VGPUs {
			soft.Indices = append(soft.Indices, v.Index)
			soft.MemoryBytes = max(soft.MemoryBytes, v.TotalBytes)
		}
		return softgpu.New(soft)
	}
	return nil, fmt.Errorf("open driver: this build of oriond has no %q backend", conf.Backend)
}
