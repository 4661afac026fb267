// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"errors"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"

	"github.com/orion-vgpu/orion/proto/wire"
)

func TestState(t *testing.T) {
	t.Parallel()
	lib := dgxh100.New()
	lib.ErrorStringFunc = func(nvml.Return) string { return "Not Found" }
	d := lib.Devices[3].(*server.Device)
	answer := func(v uint32) func() (uint32, nvml.Return) {
		return func() (uint32, nvml.Return) { return v, nvml.SUCCESS }
	}
	number := func(v int) func() (int, nvml.Return) { return func() (int, nvml.Return) { return v, nvml.SUCCESS } }
	d.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) {
		return nvml.Utilization{Gpu: 87, Memory: 41}, nvml.SUCCESS
	}
	d.GetTemperatureFunc = func(s nvml.TemperatureSensors) (uint32, nvml.Return) { return 36 + uint32(s), nvml.SUCCESS }
	d.GetPowerUsageFunc, d.GetPowerManagementLimitFunc, d.GetEnforcedPowerLimitFunc = answer(312500), answer(700000), answer(650000)
	d.GetClockInfoFunc = func(c nvml.ClockType) (uint32, nvml.Return) { return 1000 + uint32(c), nvml.SUCCESS }
	d.GetPerformanceStateFunc = func() (nvml.Pstates, nvml.Return) { return nvml.PSTATE_UNKNOWN, nvml.SUCCESS }
	d.GetCurrPcieLinkGenerationFunc, d.GetCurrPcieLinkWidthFunc = number(4), number(16)
	d.GetMaxPcieLinkGenerationFunc, d.GetMaxPcieLinkWidthFunc = number(5), number(16)
	d.GetBrandFunc = func() (nvml.BrandType, nvml.Return) { return nvml.BRAND_NVIDIA, nvml.SUCCESS }
	d.GetTotalEnergyConsumptionFunc = func() (uint64, nvml.Return) { return 1 << 40, nvml.SUCCESS }
	d.GetPersistenceModeFunc = func() (nvml.EnableState, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }

	lib.LookupSymbolFunc = func(string) error { return nil }
	lib.SystemGetDriverBranchFunc = func() (nvml.SystemDriverBranchInfo, nvml.Return) {
		return nvml.SystemDriverBranchInfo{Branch: [80]int8{'r', '5', '8', '0'}}, nvml.SUCCESS
	}
	got, err := (&Inventory{lib: lib}).State(d.UUID)
	want := wire.UnknownState("550.54.15")
	want.SetBranch("r580")
	want.Busy, want.MemoryBusy, want.Temperature = 87, 41, 36
	want.Power, want.PowerLimit, want.EnforcedLimit = 312500, 700000, 650000
	want.ClockGraphics, want.ClockSM, want.ClockMemory, want.ClockVideo = 1000, 1001, 1002, 1003
	want.LinkGeneration, want.LinkWidth, want.MaxLinkGeneration, want.MaxLinkWidth = 4, 16, 5, 16
	want.Energy = 1 << 40
	want.Brand = uint32(nvml.BRAND_NVIDIA)
	if err != nil || got != want {
		t.Errorf("State() = %+v, %v\nwant %+v", got, err, want)
	}
	if _, err := (&Inventory{lib: lib}).State("GPU-none"); err == nil || !strings.Contains(err.Error(), "GPU-none") {
		t.Errorf("of a GPU that is not there: %v", err)
	}
}

// A driver from before there was such a question has its process ended by it.
func TestStateOfOldDriver(t *testing.T) {
	t.Parallel()
	lib := dgxh100.New()
	lib.LookupSymbolFunc = func(name string) error { return errors.New("undefined symbol: " + name) }
	if branch := (&Inventory{lib: lib}).branch(); branch != "" {
		t.Errorf("branch() = %q", branch)
	}
}
