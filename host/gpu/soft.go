// SPDX-License-Identifier: Apache-2.0

package gpu

import (
	"crypto/sha256"
	"fmt"
)

// SoftDriverVersion is the CUDA driver version that software GPUs report.
const SoftDriverVersion = "13.0"

// SoftUUID derives the identity of a software GPU from its node's name and its index there: the same after
// every restart, different on every node. The result is a valid UUID (RFC 9562, version 8).
func SoftUUID(node string, index int) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "orion softgpu\x00%s\x00%d", node, index))
	id := [16]byte(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// FormatUUID writes a GPU's UUID the way NVIDIA's tools do.
func FormatUUID(id [16]byte) string {
	return fmt.Sprintf("GPU-%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

// Soft is an inventory of software GPUs.
type Soft struct {
	devices []Device
}

var _ Inventory = (*Soft)(nil)

// NewSoft returns count software GPUs of memoryBytes each on the named node.
func NewSoft(node string, count int, memoryBytes uint64) (*Soft, error) {
	if count < 1 || memoryBytes == 0 {
		return nil, fmt.Errorf("list software GPUs: %d of %d bytes each: there must be at least one, with memory", count, memoryBytes)
	}
	s := &Soft{}
	for i := range count {
		s.devices = append(s.devices, Device{
			Index:             i,
			UUID:              FormatUUID(SoftUUID(node, i)),
			Name:              "Orion Software GPU",
			MemoryBytes:       memoryBytes,
			PCIBusID:          fmt.Sprintf("0000:%02x:00.0", i+1),
			ComputeCapability: "9.0",
			DriverVersion:     SoftDriverVersion,
		})
	}
	return s, nil
}

// Backend returns BackendSoftGPU.
func (*Soft) Backend() string { return BackendSoftGPU }

// Devices returns the software GPUs; their use is not measured, since each worker has its own copy of them.
func (s *Soft) Devices() ([]Device, error) { return append([]Device(nil), s.devices...), nil }

// Close does nothing.
func (*Soft) Close() error { return nil }
