// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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

func TestChoose(t *testing.T) {
	t.Parallel()
	all, err := gpu.NewSoft("n", 3, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	second := gpu.FormatUUID(gpu.SoftUUID("n", 1))
	for _, c := range []struct {
		ids  []string
		want []int // indices; nil for an error
	}{
		{nil, []int{0, 1, 2}},
		{[]string{"2"}, []int{2}},
		{[]string{"2", "0"}, []int{0, 2}},
		{[]string{strings.ToUpper(second), "0"}, []int{0, 1}},
		{[]string{"3"}, nil},
		{[]string{"0", gpu.FormatUUID(gpu.SoftUUID("other", 0))}, nil},
	} {
		t.Run(strings.Join(c.ids, ","), func(t *testing.T) {
			t.Parallel()
			inv, err := choose(all, c.ids)
			if c.want == nil {
				if err == nil {
					t.Fatal("choose() offers a GPU that is not there")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			devices, err := inv.Devices()
			var got []int
			for _, d := range devices {
				got = append(got, d.Index)
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("choose() offers %v, %v, want %v", got, err, c.want)
			}
		})
	}
}
