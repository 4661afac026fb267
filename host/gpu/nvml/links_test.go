// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh200"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// linked gives a GPU links that lead to these places, an inactive one for a zero bus.
func linked(d *server.Device, kind nvml.IntNvLinkDeviceType, buses ...uint32) {
	has := func(n int) nvml.Return {
		if n < len(buses) {
			return nvml.SUCCESS
		}
		return nvml.ERROR_INVALID_ARGUMENT
	}
	d.GetNvLinkStateFunc = func(n int) (nvml.EnableState, nvml.Return) {
		if has(n) != nvml.SUCCESS || buses[n] == 0 {
			return nvml.FEATURE_DISABLED, has(n)
		}
		return nvml.FEATURE_ENABLED, nvml.SUCCESS
	}
	d.GetNvLinkCapabilityFunc = func(n int, c nvml.NvLinkCapability) (uint32, nvml.Return) {
		if c == nvml.NVLINK_CAP_SLI_BRIDGE {
			return 0, has(n)
		}
		return 1, has(n)
	}
	d.GetNvLinkVersionFunc = func(n int) (uint32, nvml.Return) { return 6, has(n) }
	d.GetFieldValuesFunc = func(v []nvml.FieldValue) nvml.Return {
		v[0].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
		if v[0].FieldId == nvml.FI_DEV_NVLINK_GET_SPEED {
			v[0].NvmlReturn = uint32(has(int(v[0].ScopeId)))
			binary.NativeEndian.PutUint32(v[0].Value[:], 26562)
		}
		return nvml.SUCCESS
	}
	d.GetNvLinkRemoteDeviceTypeFunc = func(n int) (nvml.IntNvLinkDeviceType, nvml.Return) { return kind, has(n) }
	d.GetNvLinkRemotePciInfoFunc = func(n int) (nvml.PciInfo, nvml.Return) {
		return nvml.PciInfo{Bus: buses[n], PciDeviceId: 0x22a310de}, has(n)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	const capabilities = 0b101111
	to := func(kind nvml.IntNvLinkDeviceType, bus uint32, toGPU bool, peer string) driver.GPULink {
		return driver.GPULink{GPULink: wire.GPULink{Active: 1, Capabilities: capabilities, Version: 6, Speed: 26562, RemoteType: uint32(kind),
			RemoteBus: bus, RemoteID: 0x22a310de}, ToGPU: toGPU, Peer: peer}
	}
	inactive := driver.GPULink{GPULink: wire.NoLink()}
	inactive.Active, inactive.Capabilities = 0, capabilities

	lib := dgxh200.New()
	neighbour := lib.Devices[1].(*server.Device)
	neighbour.PciBusID = "00000000:43:00.0"
	for _, c := range []struct {
		name  string
		kind  nvml.IntNvLinkDeviceType
		buses []uint32
		want  []driver.GPULink
	}{
		{"none", nvml.NVLINK_DEVICE_TYPE_UNKNOWN, nil, []driver.GPULink{}},
		{"switches", nvml.NVLINK_DEVICE_TYPE_SWITCH, []uint32{7, 0, 8}, []driver.GPULink{
			to(nvml.NVLINK_DEVICE_TYPE_SWITCH, 7, false, ""), inactive, to(nvml.NVLINK_DEVICE_TYPE_SWITCH, 8, false, "")}},
		{"bridge", nvml.NVLINK_DEVICE_TYPE_GPU, []uint32{0x43, 0x44}, []driver.GPULink{
			to(nvml.NVLINK_DEVICE_TYPE_GPU, 0x43, true, neighbour.UUID), to(nvml.NVLINK_DEVICE_TYPE_GPU, 0x44, true, "")}},
		// A GPU is one, whatever the driver calls it.
		{"untold", nvml.NVLINK_DEVICE_TYPE_UNKNOWN, []uint32{0x43, 7}, []driver.GPULink{
			to(nvml.NVLINK_DEVICE_TYPE_UNKNOWN, 0x43, true, neighbour.UUID), to(nvml.NVLINK_DEVICE_TYPE_UNKNOWN, 7, false, "")}},
	} {
		d := lib.Devices[0].(*server.Device)
		linked(d, c.kind, c.buses...)
		got, err := (&Inventory{lib: lib}).Links(d.UUID)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: Links() = %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
}
