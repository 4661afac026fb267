// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/gpu/nvml"
	"github.com/orion-vgpu/orion/proto/wire"
)

var _ driver.Monitor = (*Driver)(nil)

// monitor is NVML, opened when it is first asked: few programs do.
type monitor struct {
	once      sync.Once
	inventory *nvml.Inventory
	err       error
}

func (m *monitor) open() (*nvml.Inventory, error) {
	m.once.Do(func() { m.inventory, m.err = nvml.Open() })
	return m.inventory, m.err
}

// GPUState asks NVML.
func (d *Driver) GPUState(uuid string) (wire.GPUState, error) {
	inventory, err := d.monitor.open()
	if err != nil {
		return wire.GPUState{}, err
	}
	return inventory.State(uuid)
}

// GPULinks asks NVML.
func (d *Driver) GPULinks(uuid string) ([]driver.GPULink, error) {
	inventory, err := d.monitor.open()
	if err != nil {
		return nil, err
	}
	return inventory.Links(uuid)
}
