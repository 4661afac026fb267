// SPDX-License-Identifier: Apache-2.0

package driver

import "github.com/orion-vgpu/orion/proto/wire"

// Monitor is a Driver that can tell what its GPUs do now. It is safe for concurrent use. Its methods may take
// milliseconds, and name a GPU by its UUID, as nvidia-smi prints it.
type Monitor interface {
	GPUState(uuid string) (wire.GPUState, error)
	// GPULinks returns the NVLinks by their numbers, none for a GPU that has no such links.
	GPULinks(uuid string) ([]GPULink, error)
}

// GPULink is an NVLink, and what it leads to.
type GPULink struct {
	wire.GPULink
	ToGPU bool   // the other end is a GPU of this node, and no switch
	Peer  string // its UUID, where that can be told
}
