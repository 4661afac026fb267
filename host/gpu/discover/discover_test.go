// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/gpu/nvml"
)

type realGPUs struct{ gpu.Inventory }

func (realGPUs) Backend() string { return gpu.BackendCUDA }

func TestOpen(t *testing.T) {
	t.Parallel()
	none := fmt.Errorf("load library: %w", nvml.ErrNoGPU)
	broken := errors.New("driver/library version mismatch")
	for _, c := range []struct {
		gpus string
		real error
		want string // backend; "" for an error
	}{
		{Auto, nil, gpu.BackendCUDA},
		{Auto, none, gpu.BackendSoftGPU},
		{Auto, broken, ""},
		{CUDA, nil, gpu.BackendCUDA},
		{CUDA, none, ""},
		{SoftGPU, nil, gpu.BackendSoftGPU},
		{"amd", nil, ""},
		{"", nil, ""},
	} {
		t.Run(fmt.Sprintf("%s/%v", c.gpus, c.real), func(t *testing.T) {
			t.Parallel()
			conf := Config{GPUs: c.gpus, Node: "n", SoftDevices: 2, SoftMemoryBytes: 1 << 30, Logger: slog.New(slog.DiscardHandler)}
			inv, err := open(conf, func() (gpu.Inventory, error) { return realGPUs{}, c.real })
			switch {
			case c.want == "" && err == nil:
				t.Errorf("open() found %s, want an error", inv.Backend())
			case c.want != "" && err != nil:
				t.Errorf("open() = %v, want %s", err, c.want)
			case c.want != "" && inv.Backend() != c.want:
				t.Errorf("open() found %s, want %s", inv.Backend(), c.want)
			}
		})
	}
}
