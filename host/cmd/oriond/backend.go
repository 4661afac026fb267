// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/cuda"
	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/worker"
)

// openBackend opens the driver that a session's GPUs need.
func openBackend(conf worker.Config, _ func([]byte)) (driver.Driver, error) {
	switch conf.Backend {
	case gpu.BackendCUDA:
		return cuda.Open("")
	}
	return nil, fmt.Errorf("open driver: this build of oriond has no %q backend", conf.Backend)
}
