// SPDX-License-Identifier: Apache-2.0

// Package discover chooses the GPUs that a node offers: real ones, or software GPUs.
package discover

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/gpu/nvml"
)

// Values of Config.GPUs.
const (
	Auto    = "auto"    // NVIDIA GPUs where there are any, else software GPUs
	CUDA    = "cuda"    // NVIDIA GPUs, or an error
	SoftGPU = "softgpu" // software GPUs
)

// Config says what to look for.
type Config struct {
	GPUs            string   // Auto, CUDA or SoftGPU
	IDs             []string // which of them, by index or UUID; none for all
	Node            string   // seeds the identities of software GPUs
	SoftDevices     int
	SoftMemoryBytes uint64
	Logger          *slog.Logger
}

// Open returns the inventory that c asks for; the caller closes it.
func Open(c Config) (gpu.Inventory, error) {
	inv, err := open(c, func() (gpu.Inventory, error) { return nvml.Open() })
	if err != nil {
		return nil, err
	}
	some, err := choose(inv, c.IDs)
	if err != nil {
		return nil, errors.Join(err, inv.Close())
	}
	return some, nil
}

func open(c Config, real func() (gpu.Inventory, error)) (gpu.Inventory, error) {
	switch c.GPUs {
	case SoftGPU:
		return gpu.NewSoft(c.Node, c.SoftDevices, c.SoftMemoryBytes)
	case CUDA:
		inv, err := real()
		if err != nil {
			return nil, fmt.Errorf("find GPUs: %w (set gpus=softgpu in section [server] to go without)", err)
		}
		return inv, nil
	case Auto:
		inv, err := real()
		if err == nil {
			return inv, nil
		}
		// A driver that is there but broken is worth an administrator's attention: software GPUs
		// in its place would look as if all were well.
		if !errors.Is(err, nvml.ErrNoGPU) {
			return nil, fmt.Errorf("find GPUs: %w (set gpus=softgpu in section [server] to go without)", err)
		}
		c.Logger.Info("using software GPUs", "reason", err)
		return gpu.NewSoft(c.Node, c.SoftDevices, c.SoftMemoryBytes)
	}
	return nil, fmt.Errorf("find GPUs: gpus=%q in section [server]: want %s, %s or %s", c.GPUs, Auto, CUDA, SoftGPU)
}
