// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"encoding/binary"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Links asks for the NVLinks of the GPU with a UUID.
func (i *Inventory) Links(uuid string) ([]driver.GPULink, error) {
	d, ret := i.lib.DeviceGetHandleByUUID(uuid)
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("find GPU %s: %s", uuid, text(i.lib, ret))
	}
	links := make([]driver.GPULink, wire.GPULinks)
	last := 0
	for n := range links {
		l, ok := i.link(d, n)
		if ok {
			last = n + 1
		}
		links[n] = l
	}
	return links[:last], nil
}

// link asks for one; false if there is none of this number.
func (i *Inventory) link(d nvml.Device, n int) (driver.GPULink, bool) {
	l := driver.GPULink{GPULink: wire.NoLink()}
	active, ret := d.GetNvLinkState(n)
	if ret != nvml.SUCCESS {
		return l, false
	}
	l.Active, l.Capabilities = uint32(active), 0
	for c := range nvml.NVLINK_CAP_COUNT {
		if has, ret := d.GetNvLinkCapability(n, c); ret == nvml.SUCCESS && has != 0 {
			l.Capabilities |= 1 << c
		}
	}
	if active != nvml.FEATURE_ENABLED {
		return l, true
	}
	set(&l.Version)(d.GetNvLinkVersion(n))
	speed := []nvml.FieldValue{{FieldId: nvml.FI_DEV_NVLINK_GET_SPEED, ScopeId: uint32(n)}}
	if d.GetFieldValues(speed) == nvml.SUCCESS && nvml.Return(speed[0].NvmlReturn) == nvml.SUCCESS {
		l.Speed = binary.NativeEndian.Uint32(speed[0].Value[:])
	}
	if t, ret := d.GetNvLinkRemoteDeviceType(n); ret == nvml.SUCCESS {
		l.RemoteType = uint32(t)
	}
	if pci, ret := d.GetNvLinkRemotePciInfo(n); ret == nvml.SUCCESS {
		l.RemoteDomain, l.RemoteBus, l.RemoteSlot = pci.Domain, pci.Bus, pci.Device
		l.RemoteID, l.RemoteSubsystem = pci.PciDeviceId, pci.PciSubSystemId
		// Older drivers do not tell the type.
		if peer, ret := i.lib.DeviceGetHandleByPciBusId(fmt.Sprintf("%08x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device)); ret == nvml.SUCCESS {
			l.ToGPU = true
			if uuid, ret := peer.GetUUID(); ret == nvml.SUCCESS {
				l.Peer = uuid
			}
		}
	}
	l.ToGPU = l.ToGPU || l.RemoteType == uint32(nvml.NVLINK_DEVICE_TYPE_GPU)
	return l, true
}
