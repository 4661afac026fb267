// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/orion-vgpu/orion/host/gpu"
)

// ErrNoGPU says that this node has no NVIDIA driver, or a driver without a GPU.
var ErrNoGPU = errors.New("no NVIDIA GPU")

// Inventory lists the GPUs that the NVIDIA driver shows.
type Inventory struct {
	lib nvml.Interface
}

var _ gpu.Inventory = (*Inventory)(nil)

// Open loads NVML. It returns an error that wraps ErrNoGPU where there is nothing to list.
func Open() (*Inventory, error) { return open(nvml.New()) }

func open(lib nvml.Interface) (*Inventory, error) {
	switch ret := lib.Init(); ret {
	case nvml.SUCCESS:
	case nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED:
		return nil, fmt.Errorf("load libnvidia-ml.so.1: %w: %s", ErrNoGPU, text(lib, ret))
	default:
		return nil, fmt.Errorf("initialise NVML: %s", text(lib, ret))
	}
	inv := &Inventory{lib: lib}
	devices, err := inv.Devices()
	if err == nil && len(devices) == 0 {
		err = fmt.Errorf("list GPUs: %w: the driver shows none", ErrNoGPU)
	}
	if err != nil {
		return nil, errors.Join(err, inv.Close())
	}
	return inv, nil
}

// Backend returns gpu.BackendCUDA.
func (*Inventory) Backend() string { return gpu.BackendCUDA }

// Devices asks the driver. A GPU that does not answer (fallen off the bus, say) is left out; an error means
// that the driver itself does not answer.
func (i *Inventory) Devices() ([]gpu.Device, error) {
	count, ret := i.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("count GPUs: %s", text(i.lib, ret))
	}
	version, ret := i.lib.SystemGetDriverVersion()
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("read driver version: %s", text(i.lib, ret))
	}
	devices := make([]gpu.Device, 0, count)
	for index := range count {
		if d, ok := i.device(index); ok {
			d.DriverVersion = version
			devices = append(devices, d)
		}
	}
	return devices, nil
}

func (i *Inventory) device(index int) (gpu.Device, bool) {
	handle, ret := i.lib.DeviceGetHandleByIndex(index)
	if ret != nvml.SUCCESS {
		return gpu.Device{}, false
	}
	uuid, ret1 := handle.GetUUID()
	name, ret2 := handle.GetName()
	memory, ret3 := handle.GetMemoryInfo()
	major, minor, ret4 := handle.GetCudaComputeCapability()
	pci, ret5 := handle.GetPciInfo()
	for _, ret := range []nvml.Return{ret1, ret2, ret3, ret4, ret5} {
		if ret != nvml.SUCCESS {
			return gpu.Device{}, false
		}
	}
	return gpu.Device{
		Index:             index,
		UUID:              uuid,
		Name:              name,
		MemoryBytes:       memory.Total,
		UsedBytes:         memory.Used,
		PCIBusID:          fmt.Sprintf("%04x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device),
		ComputeCapability: fmt.Sprintf("%d.%d", major, minor),
	}, true
}

// Close shuts NVML down.
func (i *Inventory) Close() error {
	if ret := i.lib.Shutdown(); ret != nvml.SUCCESS {
		return fmt.Errorf("shut NVML down: %s", text(i.lib, ret))
	}
	return nil
}

// text names a result. NVML itself cannot be asked where it was not found.
func text(lib nvml.Interface, ret nvml.Return) string {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return "the library is not on this machine"
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return "the driver is not loaded"
	}
	if s := lib.ErrorString(ret); s != "" {
		return s
	}
	return fmt.Sprintf("NVML error %d", int32(ret))
}
