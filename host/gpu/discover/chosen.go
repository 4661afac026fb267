// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/orion-vgpu/orion/host/gpu"
)

// chosen is an inventory of which only some GPUs are offered.
type chosen struct {
	gpu.Inventory
	ids []string // indices or UUIDs
}

// choose leaves of inv the GPUs that ids name, each of which must be there. Without ids all are.
func choose(inv gpu.Inventory, ids []string) (gpu.Inventory, error) {
	if len(ids) == 0 {
		return inv, nil
	}
	devices, err := inv.Devices()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(devices, func(d gpu.Device) bool { return named(d, id) }) {
			return nil, fmt.Errorf("choose GPUs: gpu_ids in section [server] names %s, which is none of this node's %d GPUs", id, len(devices))
		}
	}
	return &chosen{inv, ids}, nil
}

// Devices returns the chosen GPUs. One that does not answer now is left out, as any other would be.
func (c *chosen) Devices() ([]gpu.Device, error) {
	devices, err := c.Inventory.Devices()
	return slices.DeleteFunc(devices, func(d gpu.Device) bool {
		return !slices.ContainsFunc(c.ids, func(id string) bool { return named(d, id) })
	}), err
}

func named(d gpu.Device, id string) bool {
	return id == strconv.Itoa(d.Index) || strings.EqualFold(id, d.UUID)
}
