// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/proto/wire"
)

var _ driver.Monitor = (*Driver)(nil)

// GPUState tells the driver's version and branch, which are Orion's. Nothing of it has a temperature, and no clock ticks.
func (*Driver) GPUState(string) (wire.GPUState, error) {
	s := wire.UnknownState(release.Version)
	s.Brand = 0 // none of NVIDIA's
	s.SetBranch("orion")
	return s, nil
}

// GPULinks returns none: they reach each other through the host's memory.
func (*Driver) GPULinks(string) ([]driver.GPULink, error) { return nil, nil }
