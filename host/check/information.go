// SPDX-License-Identifier: Apache-2.0

package check

import (
	"strings"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/guest/check/client"
)

// Information is what an administrator may want to know beside the findings.
func (f *Facts) Information() []check.Fact {
	driver := f.Driver.Version
	if driver == "" {
		driver = "none"
	}
	gpus := f.Driver.GPUs
	if f.Config != nil && f.Pool != nil {
		if n := f.Pool.Node(f.Config.Server.NodeName); n != nil {
			gpus = nil // as oriond sees them
			for _, g := range n.Node.GetGpus() {
				gpus = append(gpus, g.Name+", "+g.Uuid)
			}
		}
	}
	var rdma []string
	for _, path := range f.RDMA {
		rdma = append(rdma, path[strings.LastIndexByte(path, '/')+1:])
	}
	facts := []check.Fact{
		{Key: "node_gpus", Label: "GPUs of this node", Value: gpus},
		{Key: "driver", Label: "NVIDIA driver", Value: driver},
		{Key: "kernel", Label: "Kernel", Value: f.Kernel.Release},
		{Key: "service", Label: "oriond", Value: client.State(f.Service, f.Processes)},
		{Key: "command", Label: "Its command line", Value: client.Commands(f.Processes)},
		{Key: "oriond_release", Label: "Its release", Value: f.Answer.Release},
	}
	if f.Config == nil {
		return facts
	}
	s := f.Config.Server
	bind, from := s.BindAddr, f.Config.Source("server", "bind_addr")
	if s.BindNet != "" {
		bind, from = s.BindNet, f.Config.Source("server", "bind_net")
	}
	data := f.Data
	if data == "" {
		data = "chosen by the system"
	}
	facts = append(facts, []check.Fact{
		{Key: "enable_shm", Label: "SHM enabled", Value: s.EnableShm},
		{Key: "enable_rdma", Label: "RDMA enabled", Value: s.EnableRDMA},
		{Key: "rdma_devices", Label: "RDMA devices", Value: rdma},
		{Key: "enable_kvm", Label: "KVM enabled", Value: s.EnableKVM},
		{Key: "libvirt", Label: "libvirt", Value: orNone(f.VM.Version)},
		{Key: "bind", Label: "Bound to", Value: bind},
		{Key: "bind_from", Label: "This is from", Value: from},
		{Key: "data_address", Label: "Data plane", Value: data},
		{Key: "data_reachable", Label: "It answers", Value: f.Data != "" && f.DataErr == nil},
		{Key: "vgpu_count", Label: "vGPUs for each GPU", Value: s.VGPUCount},
	}...)
	return append(facts, client.PoolInformation(f.Config.Controller, f.ControllerSet, f.Pool)...)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
