// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// Machine is what kernels need of the GPU that they run on.
type Machine struct {
	Space *mem.Space
	SMs   uint32
	// Alloc and Free serve malloc and free of kernels. Alloc returns 0 when there is no memory.
	Alloc func(bytes uint64) uint64
	Free  func(addr uint64) bool
	// Print takes the text that kernels print. It is called from several goroutines.
	Print func(text []byte)
	// PrintError takes the messages of failed assertions; Print does if it is nil.
	PrintError func(text []byte)
	// Texture and Surface find what a handle names, nil for nothing.
	Texture func(handle uint64) *texture.Texture
	Surface func(handle uint64) *texture.Image
	// SetCondition serves cudaGraphSetConditional; false if the handle is none.
	SetCondition func(handle uint64, value uint32) bool
	// Child launches a kernel of the same module from a kernel; after all others of that kernel if tail is set. A result
	// other than 0 is one of those named above.
	Child func(kernel string, grid, block [3]uint32, shared uint32, params []byte, tail bool) uint32
	// StackBytes of a thread, for calls whose depth is unknown.
	StackBytes uint64
	// Helpers run blocks beside the goroutine that launches; nil for none.
	Helpers *Pool
}

// Launch is one run of a program.
type Launch struct {
	Machine     *Machine
	Grid, Block [3]uint32
	SharedBytes uint32 // dynamic
	Params      []byte // packed parameter buffer
	Cooperative bool   // all blocks run at once
	Resident    int64  // how many blocks may run beside those of the pool, for one another to wait for

	program   *Program
	next      atomic.Uint64
	blocks    uint64
	extra     sync.WaitGroup // blocks that more has begun
	extras    atomic.Int64
	stopped   atomic.Bool
	killed    atomic.Bool
	mu        sync.Mutex
	fault     *Fault
	instrs    atomic.Uint64
	gridID    uint64
	children  map[uint64]child // by the address of their parameters
	workspace uint64           // of a cooperative launch: size and barrier, as cooperative groups know them
}

const workspaceBytes = 256

var (
	errStopped = errors.New("launch was stopped")
	gridIDs    atomic.Uint64
)

// NewLaunch prepares a launch of p. The caller fills in the exported fields before Run.
func (p *Program) NewLaunch() *Launch { return &Launch{program: p, gridID: gridIDs.Add(1)} }

// Kill ends the launch soon; Run returns a Fault of kind Killed.
func (l *Launch) Kill() {
	l.killed.Store(true)
	l.stopped.Store(true)
}

// Instructions is how many instructions warps have executed. Valid after Run.
func (l *Launch) Instructions() uint64 { return l.instrs.Load() }

// Run executes all blocks and returns when they have ended. The error is a *Fault.
func (l *Launch) Run() error {
	l.blocks = uint64(l.Grid[0]) * uint64(l.Grid[1]) * uint64(l.Grid[2])
	switch {
	case l.Cooperative:
		if l.Machine.Alloc != nil {
			if l.workspace = l.Machine.Alloc(workspaceBytes); l.workspace != 0 {
				clear(mem.Bytes(l.workspace, workspaceBytes))
				*(*uint32)(mem.Pointer(l.workspace)) = workspaceBytes
				defer l.Machine.Free(l.workspace)
			}
		}
		l.together()
	case l.blocks == 1 || l.Machine.Helpers == nil:
		l.work()
	default:
		l.Machine.Helpers.run(l)
	}
	l.extra.Wait()
	l.forget()
	if l.fault != nil {
		return l.fault
	}
	if l.killed.Load() {
		return &Fault{Kind: Killed, Kernel: l.program.Name}
	}
	return nil
}

// together runs every block in a goroutine of its own: they may wait for one another.
func (l *Launch) together() {
	l.next.Store(l.blocks) // none is left for more
	var wg sync.WaitGroup
	for i := range l.blocks {
		wg.Go(func() { l.attempt(func(b *block) { b.run(i) }) })
	}
	wg.Wait()
}

// work runs blocks until none is left to begin.
func (l *Launch) work() {
	l.attempt(func(b *block) {
		for i := l.next.Add(1) - 1; i < l.blocks; i = l.next.Add(1) - 1 {
			b.run(i)
		}
	})
}

// more begins a block beside those that run, if it would fit into a GPU with them: those may spin for it.
func (l *Launch) more() {
	if l.next.Load() >= l.blocks {
		return
	}
	if l.extras.Add(1) > l.Resident {
		l.extras.Add(-1)
		return
	}
	l.extra.Go(func() {
		defer l.extras.Add(-1)
		l.attempt(func(b *block) {
			if i := l.next.Add(1) - 1; i < l.blocks {
				b.run(i)
			}
		})
	})
}

// attempt gives f a block to run in and turns its panic into the launch's fault.
func (l *Launch) attempt(f func(*block)) {
	if l.stopped.Load() {
		return
	}
	b := l.program.borrow(l)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		for _, w := range b.warps {
			l.instrs.Add(w.count)
			w.count = 0
		}
		if r := recover(); r != nil {
			l.fail(b, r)
			return
		}
		l.program.give(b)
	}()
	f(b)
}

// fail records the first fault and stops the other blocks.
func (l *Launch) fail(b *block, r any) {
	if r == errStopped {
		return
	}
	f, ok := r.(*Fault)
	if !ok {
		f = &Fault{Kind: IllegalInstruction, Kernel: l.program.Name, Detail: fmt.Sprint(r)}
		if e, isFault := r.(interface{ Addr() uintptr }); isFault { // memory that went away under the kernel
			f.Kind, f.Address, f.Detail = IllegalAddress, uint64(e.Addr()), "memory was unmapped while the kernel ran"
		}
		if w := b.running; w != nil {
			w.locate(f, firstLane(w.mask))
		}
	}
	l.mu.Lock()
	if l.fault == nil {
		l.fault = f
	}
	l.mu.Unlock()
	l.stopped.Store(true)
}

func (l *Launch) stackBytes() uint64 {
	if l.program.deep {
		return max(l.Machine.StackBytes, 16<<10)
	}
	return 0
}

// borrow returns a block ready for the launch, used before if there is one.
func (p *Program) borrow(l *Launch) *block {
	threads := l.Block[0] * l.Block[1] * l.Block[2]
	p.mu.Lock()
	for i := len(p.spare) - 1; i >= 0; i-- {
		b := p.spare[i]
		if b.threads == threads && len(b.shared) == l.sharedBytes() && b.stack == l.stackBytes() {
			p.spare = append(p.spare[:i], p.spare[i+1:]...)
			p.mu.Unlock()
			b.launch = l
			for _, w := range b.warps {
				clear(w.caches)
				w.filled = false // the block may have another shape
			}
			return b
		}
	}
	p.mu.Unlock()
	return newBlock(l)
}

// give keeps a block for later launches.
func (p *Program) give(b *block) {
	b.launch = nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spare) >= 2*runtime.GOMAXPROCS(0) {
		p.spare = p.spare[1:]
	}
	p.spare = append(p.spare, b)
}
