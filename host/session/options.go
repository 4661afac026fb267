// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/vmm"
)

// Options configure a Server. All fields without a note are required.
type Options struct {
	// Socket is the path of the unix socket that clients connect to. The folder of session records
	// and the lock file lie beside it.
	Socket     string
	SocketMode os.FileMode // 0: everybody on this machine may connect
	// NoListen keeps the socket away; earlier sessions are still looked after.
	NoListen bool
	// Listeners are entrances beside the socket, for virtual machines and other hosts. The server closes them.
	Listeners []*entrance.Listener
	// Domains knows the virtual machines that share memory with this host; nil: there are none.
	Domains vmm.Domains

	LogDir         string // of the session logs
	WorkerLogLevel string // passed to workers; "" leaves it to them

	Node        string
	Release     string
	Spec        uint64 // hash of the driver specification of this build
	RegionBytes uint64 // 0: region.DefaultSize
	MaxSessions int    // 0: no bound but the pool's
	// HostMemoryBytes bounds the private memory of each worker; 0: no bound.
	HostMemoryBytes uint64
	// WorkerUser runs workers as this user, where oriond runs as root. "": as oriond.
	WorkerUser string
	// Standby is how many workers are kept ready for each GPU: their driver is initialised and a context made.
	Standby    int
	WorkerArgs []string // arguments that make this executable a worker; default "worker"
	WorkerEnv  []string // added to the environment of workers, NAME=value

	Pool   Pool
	GPUs   gpu.Inventory
	Logger *slog.Logger
}

// Pool grants vGPUs. It must be safe for concurrent use.
type Pool interface {
	// Grant returns a lease on vGPUs of this node. The text of an error is shown to the user; it wraps
	// ErrOutOfMemory where there is a GPU but not the memory asked for.
	Grant(context.Context, Request) (Lease, error)
	// Release gives a lease back. It is safe to repeat.
	Release(ctx context.Context, lease string) error
}

// ErrOutOfMemory marks refusals for want of GPU memory: the program sees them as CUDA_ERROR_OUT_OF_MEMORY.
var ErrOutOfMemory = errors.New("not enough GPU memory")

// Request is what a client asks of the pool.
type Request struct {
	VGPUs        int
	MemoryMiB    int // per vGPU; 0: the default share
	RatioPercent int // per vGPU; 0: the default share
	CrossNode    bool
	Program      string
	PID          int // of the client on its host; 0 where unknown
	Host         string
}

// Lease is what the pool grants.
type Lease struct {
	ID    string
	VGPUs []record.VGPU
}
