// SPDX-License-Identifier: Apache-2.0

package driver

import "github.com/orion-vgpu/orion/proto/wire"

// Monitor is a Driver that can tell what its GPUs do now. It is safe for concurrent use.
type Monitor interface {
	// GPUState may take milliseconds. The GPU is named by its UUID, as nvidia-smi prints it.
	GPUState(uuid string) (wire.GPUState, error)
}
