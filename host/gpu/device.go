// SPDX-License-Identifier: Apache-2.0

package gpu

// Names of the backends on which a worker can run commands.
const (
	BackendCUDA    = "cuda"
	BackendSoftGPU = "softgpu"
)

// Device is one physical (or software) GPU of this node.
type Device struct {
	Index             int    // on this node, from 0
	UUID              string // "GPU-" and a UUID, as nvidia-smi prints it
	Name              string
	MemoryBytes       uint64
	UsedBytes         uint64 // by all processes of the node, when last asked; 0 where unknown
	PCIBusID          string // domain:bus:device.function
	ComputeCapability string // "9.0"
	DriverVersion     string
}

// Inventory lists the GPUs of a node. It is safe for concurrent use.
type Inventory interface {
	// Backend names the worker backend that reaches these GPUs.
	Backend() string
	// Devices returns the GPUs in order of index, with their present use.
	Devices() ([]Device, error)
	// Close gives up what the inventory holds of the driver.
	Close() error
}
