// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/orion-vgpu/orion/proto/wire"
)

// State asks what the GPU with a UUID does now. What it does not tell (a fan that it does not have, say) is
// wire.GPUUnknown.
func (i *Inventory) State(uuid string) (wire.GPUState, error) {
	version, ret := i.lib.SystemGetDriverVersion()
	if ret != nvml.SUCCESS {
		return wire.GPUState{}, fmt.Errorf("read driver version: %s", text(i.lib, ret))
	}
	d, ret := i.lib.DeviceGetHandleByUUID(uuid)
	if ret != nvml.SUCCESS {
		return wire.GPUState{}, fmt.Errorf("find GPU %s: %s", uuid, text(i.lib, ret))
	}
	s := wire.UnknownState(version)
	s.SetBranch(i.branch())
	if u, ret := d.GetUtilizationRates(); ret == nvml.SUCCESS {
		s.Busy, s.MemoryBusy = u.Gpu, u.Memory
	}
	set(&s.Temperature)(d.GetTemperature(nvml.TEMPERATURE_GPU))
	set(&s.Power)(d.GetPowerUsage())
	set(&s.PowerLimit)(d.GetPowerManagementLimit())
	set(&s.EnforcedLimit)(d.GetEnforcedPowerLimit())
	set(&s.ClockGraphics)(d.GetClockInfo(nvml.CLOCK_GRAPHICS))
	set(&s.ClockSM)(d.GetClockInfo(nvml.CLOCK_SM))
	set(&s.ClockMemory)(d.GetClockInfo(nvml.CLOCK_MEM))
	set(&s.ClockVideo)(d.GetClockInfo(nvml.CLOCK_VIDEO))
	if p, ret := d.GetPerformanceState(); ret == nvml.SUCCESS && p <= nvml.PSTATE_15 {
		s.Performance = uint32(p)
	}
	setInt(&s.LinkGeneration)(d.GetCurrPcieLinkGeneration())
	setInt(&s.LinkWidth)(d.GetCurrPcieLinkWidth())
	setInt(&s.MaxLinkGeneration)(d.GetMaxPcieLinkGeneration())
	setInt(&s.MaxLinkWidth)(d.GetMaxPcieLinkWidth())
	if b, ret := d.GetBrand(); ret == nvml.SUCCESS {
		s.Brand = uint32(b)
	}
	if m, ret := d.GetPersistenceMode(); ret == nvml.SUCCESS {
		s.Persistent = uint32(m)
	}
	if e, ret := d.GetTotalEnergyConsumption(); ret == nvml.SUCCESS {
		s.Energy = e
	}
	return s, nil
}

// branch is what releases of the driver have in common; empty if this one does not tell it.
func (i *Inventory) branch() string {
	if i.lib.Extensions().LookupSymbol("nvmlSystemGetDriverBranch") != nil {
		return "" // to call it would end this process
	}
	info, ret := i.lib.SystemGetDriverBranch()
	if ret != nvml.SUCCESS {
		return ""
	}
	b := make([]byte, 0, len(info.Branch))
	for _, c := range info.Branch {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}

func set(to *uint32) func(uint32, nvml.Return) {
	return func(v uint32, ret nvml.Return) {
		if ret == nvml.SUCCESS {
			*to = v
		}
	}
}

func setInt(to *uint32) func(int, nvml.Return) {
	return func(v int, ret nvml.Return) { set(to)(uint32(v), ret) }
}
