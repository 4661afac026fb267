// SPDX-License-Identifier: Apache-2.0

package qmp

import "context"

// bus chooses where the device goes: pci.0 of a pc, else the bus of a bridge to PCI, which QEMU calls as the
// bridge. A PCI Express root port would take the device on newer machines, but others may want its one slot.
func bus(ctx context.Context, mon *monitor) (string, error) {
	var entries []struct{ Name, Type string }
	if mon.run(ctx, "qom-list", map[string]any{"path": "/machine/i440fx/pci.0"}, &entries) == nil {
		return "pci.0", nil
	}
	if err := mon.run(ctx, "qom-list", map[string]any{"path": "/machine/peripheral"}, &entries); err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Type == "child<pcie-pci-bridge>" || e.Type == "child<pci-bridge>" {
			return e.Name, nil
		}
	}
	return "", errNoBridge
}
