// SPDX-License-Identifier: Apache-2.0

package worker

// Config is what oriond tells a worker of its session, as JSON in the environment variable ConfigEnv.
// The worker inherits the client's socket as descriptor SocketFD and the region as RegionFD.
type Config struct {
	// Standby: prepare the driver for VGPUs of Backend, then Await the rest.
	Standby bool   `json:"standby,omitempty"`
	Session string `json:"session"`
	Program string `json:"program"`
	PID     int    `json:"pid"`     // of the client, in oriond's PID namespace; 0 where unknown, and no ClientFD then
	Backend string `json:"backend"` // "cuda" or "softgpu"
	// Node seeds the identities of software GPUs, so that they stay the same from session to session.
	Node       string `json:"node"`
	VGPUs      []VGPU `json:"vgpus"`
	Carrier    uint32 `json:"carrier"` // wire.Carrier...: how the client reaches the region
	RegionBase uint64 `json:"region_base"`
	// RegionOffset is where the region begins in the inherited file: not 0 for a slice of a domain's device.
	RegionOffset uint64 `json:"region_offset"`
	RegionSize   uint64 `json:"region_size"`
	// HostMemoryBytes bounds the worker's private memory; 0: no bound.
	HostMemoryBytes uint64 `json:"host_memory_bytes,omitempty"`
	Release         string `json:"release"`
	LogLevel        string `json:"log_level"` // of the session's log, which the worker writes to its standard error
}

// ExitHostMemory is the exit status of a worker whose client has it take more than Config.HostMemoryBytes.
const ExitHostMemory = 4

// VGPU is one granted share of a GPU.
type VGPU struct {
	UUID         string `json:"uuid"`
	Place        int    `json:"place"`         // in the lease; Config.VGPUs is ordered as CUDA shows them
	Index        int    `json:"index"`         // of the physical GPU on this node
	TotalBytes   uint64 `json:"total_bytes"`   // memory of the physical GPU
	MemoryBytes  uint64 `json:"memory_bytes"`  // the quota
	RatioPercent int    `json:"ratio_percent"` // the share of compute
}

// How a worker receives its inheritance.
const (
	ConfigEnv = "ORION_WORKER_CONFIG"
	SocketFD  = 3
	RegionFD  = 4
	// ClientFD is a pidfd of the client process, where Config.PID is not 0.
	ClientFD = 5
	// FirstFreeFD is above all of these.
	FirstFreeFD = 10
)
