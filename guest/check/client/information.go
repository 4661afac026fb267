// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/guest/check/pool"
	"github.com/orion-vgpu/orion/guest/check/system"
)

// Information is what a user may want to know beside the findings.
func (f *Facts) Information() []check.Fact {
	carrier := f.Carrier()
	if carrier == "" {
		carrier = "none"
	}
	oriond := ""
	if e := f.reached(); e != nil && e != &f.Relay {
		oriond = e.Answer.Release
	}
	var devices []string
	for _, d := range f.Devices {
		devices = append(devices, fmt.Sprintf("%s, %d MiB", d.Address, d.Size>>20))
	}
	facts := []check.Fact{
		{Key: "library", Label: "libcuda.so.1", Value: describe(f.Library)},
		{Key: "nvml", Label: "libnvidia-ml.so.1", Value: describe(f.NVML)},
		{Key: "carrier", Label: "Carrier", Value: carrier},
		{Key: "oriond_release", Label: "oriond", Value: oriond},
		{Key: "ivshmem", Label: "ivshmem devices", Value: devices},
		{Key: "relay_state", Label: "orion-relay", Value: State(f.RelayService, f.RelayProcess)},
		{Key: "relay_command", Label: "Its command line", Value: Commands(f.RelayProcess)},
	}
	if f.Config != nil {
		facts = append(facts, check.Fact{Key: "enable_net", Label: "Network (enable_net)", Value: f.Config.EnableNet})
	}
	return append(facts, PoolInformation(f.Controller, f.ControllerSet, f.Pool)...)
}

func describe(l Library) string {
	switch {
	case l.Path == "":
		return "none"
	case l.Release == "":
		return l.Path + ", not Orion's"
	}
	return l.Path + ", release " + l.Release
}

// State tells of a service in one word or two.
func State(service string, processes []system.Process) string {
	switch {
	case service != "" && len(processes) > 0:
		return fmt.Sprintf("%s, process %d", service, processes[0].PID)
	case len(processes) > 0:
		return fmt.Sprintf("running, process %d", processes[0].PID)
	case service != "":
		return service
	}
	return "not running"
}

// Commands are the command lines of processes.
func Commands(processes []system.Process) []string {
	lines := []string{}
	for _, p := range processes {
		lines = append(lines, p.Command)
	}
	return lines
}

// PoolInformation tells of the controller and its pool, nil where it does not answer.
func PoolInformation(address, set string, p *pool.Pool) []check.Fact {
	facts := []check.Fact{
		{Key: "controller_address", Label: "Controller", Value: address},
		{Key: "controller_address_from", Label: "Its address is from", Value: set},
		{Key: "controller_reachable", Label: "It answers", Value: p != nil},
	}
	if p == nil {
		return facts
	}
	return append(facts,
		check.Fact{Key: "controller_release", Label: "Its release", Value: p.Release},
		check.Fact{Key: "gpus", Label: "GPUs of the pool", Value: p.GPUs()},
		check.Fact{Key: "vgpus_total", Label: "vGPUs in total", Value: p.Total},
		check.Fact{Key: "vgpus_free", Label: "vGPUs free", Value: p.Free})
}
