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

// GPUState asks NVML.
func (d *Driver) GPUState(uuid string) (wire.GPUState, error) {
	d.monitor.once.Do(func() { d.monitor.inventory, d.monitor.err = nvml.Open() })
	if d.monitor.err != nil {
		return wire.GPUState{}, d.monitor.err
	}
	return d.monitor.inventory.State(uuid)
}
