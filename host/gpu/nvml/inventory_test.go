// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"errors"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

func TestDevices(t *testing.T) {
	t.Parallel()
	lib := dgxh100.New()
	inv, err := open(lib)
	if err != nil {
		t.Fatal(err)
	}
	first := lib.Devices[0].(*server.Device)
	first.MemoryInfo = nvml.Memory{Total: 80 << 30, Free: 79 << 30, Used: 1 << 30}
	first.GetPciInfoFunc = func() (nvml.PciInfo, nvml.Return) {
		return nvml.PciInfo{Domain: 1, Bus: 0x3b, Device: 2}, nvml.SUCCESS
	}
	devices, err := inv.Devices()
	if err != nil || len(devices) != 8 {
		t.Fatalf("Devices() = %d devices, %v; want 8", len(devices), err)
	}
	d := devices[0]
	if d.UUID != first.UUID || !strings.HasPrefix(d.UUID, "GPU-") {
		t.Errorf("UUID = %q, want %q", d.UUID, first.UUID)
	}
	if d.MemoryBytes != 80<<30 || d.UsedBytes != 1<<30 {
		t.Errorf("memory = %d of %d bytes", d.UsedBytes, d.MemoryBytes)
	}
	if d.PCIBusID != "0001:3b:02.0" || d.ComputeCapability != "9.0" || d.DriverVersion != "550.54.15" {
		t.Errorf("device = %+v", d)
	}
	for i, d := range devices {
		if d.Index != i {
			t.Errorf("device %d says that it is %d", i, d.Index)
		}
	}
}

// A GPU that fell off the bus must not take its neighbours with it.
func TestDevicesLeavesOutALostGPU(t *testing.T) {
	t.Parallel()
	lib := dgxh100.New()
	inv, err := open(lib)
	if err != nil {
		t.Fatal(err)
	}
	lib.Devices[2].(*server.Device).GetMemoryInfoFunc = func() (nvml.Memory, nvml.Return) {
		return nvml.Memory{}, nvml.ERROR_GPU_IS_LOST
	}
	devices, err := inv.Devices()
	if err != nil || len(devices) != 7 {
		t.Fatalf("Devices() = %d devices, %v; want 7", len(devices), err)
	}
	if devices[2].Index != 3 {
		t.Errorf("the GPU after the lost one has index %d, want 3: ordinals must not move", devices[2].Index)
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*server.Server)
		noGPU bool
		want  string
	}{
		{"no library", func(s *server.Server) {
			s.InitFunc = func() nvml.Return { return nvml.ERROR_LIBRARY_NOT_FOUND }
		}, true, "not on this machine"},
		{"no driver", func(s *server.Server) {
			s.InitFunc = func() nvml.Return { return nvml.ERROR_DRIVER_NOT_LOADED }
		}, true, "not loaded"},
		{"no GPU", func(s *server.Server) {
			s.DeviceGetCountFunc = func() (int, nvml.Return) { return 0, nvml.SUCCESS }
		}, true, "shows none"},
		{"version mismatch", func(s *server.Server) {
			s.InitFunc = func() nvml.Return { return nvml.ERROR_LIB_RM_VERSION_MISMATCH }
			s.ErrorStringFunc = func(nvml.Return) string { return "Driver/library version mismatch" }
		}, false, "Driver/library version mismatch"},
		{"driver does not answer", func(s *server.Server) {
			s.DeviceGetCountFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_UNKNOWN }
			s.ErrorStringFunc = func(nvml.Return) string { return "" }
		}, false, "NVML error 999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lib := dgxh100.New()
			c.spoil(lib)
			_, err := open(lib)
			if err == nil || errors.Is(err, ErrNoGPU) != c.noGPU || !strings.Contains(err.Error(), c.want) {
				t.Errorf("open() = %v; want an error with %q, ErrNoGPU: %v", err, c.want, c.noGPU)
			}
		})
	}
}
