// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/simt"
	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// kernelOp runs a kernel.
type kernelOp struct {
	f           *function
	p           *simt.Program
	grid, block [3]uint32
	shared      uint32 // dynamic, with what aligns it
	asked       uint32 // as the caller said
	params      []byte
	cooperative bool
	textures    map[uint64]*texture.Texture // that references are bound to
	surfaces    map[uint64]*texture.Image
}

func (*kernelOp) kind() uint32 { return nodeKernel }

// run runs the grid and then those that it has launched, each with its own before the next: it ends when they have
// ended, and their order is one that all streams of a kernel allow.
func (o *kernelOp) run(c *context) driver.Result {
	for todo := []*kernelOp{o}; len(todo) > 0; {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		children, r := next.alone(c, maxPending-len(todo))
		if r != driver.Success {
			return r
		}
		slices.Reverse(children)
		todo = append(todo, children...)
	}
	return driver.Success
}

// maxPending is how many grids that kernels have launched may wait. Real GPUs hold fewer by default, and begin with them
// at once.
const maxPending = 1 << 16

// children collects the grids that the blocks of a grid launch.
type children struct {
	parent      *kernelOp
	room        int
	mu          sync.Mutex
	first, last []*kernelOp // last are those that wait for all others
}

func (s *children) add(kernel string, grid, block [3]uint32, shared uint32, params []byte, tail bool) uint32 {
	f, r := s.parent.f.m.function(kernel)
	if r != driver.Success {
		return simt.ChildInvalidConfiguration
	}
	o, r := f.operation(grid, block, shared, params)
	if r != driver.Success {
		return simt.ChildInvalidConfiguration
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.first)+len(s.last) >= s.room {
		return simt.ChildTooMany
	}
	if tail {
		s.last = append(s.last, o)
	} else {
		s.first = append(s.first, o)
	}
	return 0
}

// alone runs the grid and returns those that it has launched, of which there may be so many.
func (o *kernelOp) alone(c *context, room int) ([]*kernelOp, driver.Result) {
	l := o.p.NewLaunch()
	started := &children{parent: o, room: room}
	l.Grid, l.Block, l.SharedBytes, l.Params, l.Cooperative = o.grid, o.block, o.shared, o.params, o.cooperative
	fit, _ := o.f.blocksPerMultiprocessor(int32(o.block[0]*o.block[1]*o.block[2]), uint64(o.shared))
	l.Resident = int64(fit) * multiprocessors
	c.mu.Lock()
	machine := c.machine // limits may change while it runs
	machine.Texture, machine.Surface, machine.SetCondition, machine.Child = o.texture, o.surface, c.setCondition, started.add
	l.Machine = &machine
	c.running[l] = struct{}{}
	if c.dead.Load() {
		l.Kill()
	}
	c.mu.Unlock()
	err := l.Run()
	c.mu.Lock()
	delete(c.running, l)
	c.mu.Unlock()
	if err != nil {
		return nil, c.fail(err)
	}
	return append(started.first, started.last...), driver.Success
}

// Numbers of CUlaunchAttributeID that change what a launch means; the others are hints.
const (
	attributeCluster           = 4
	attributeProgrammaticEvent = 7
	attributeCompletionEvent   = 12
)

func (t *thread) Launch(h driver.Function, cfg *driver.LaunchConfig, params []byte) driver.Result {
	f, r := t.function(h)
	if r != driver.Success {
		return r
	}
	o, r := f.operation(cfg.Grid, cfg.Block, cfg.SharedBytes, params)
	if r != driver.Success {
		return r
	}
	var done *event
	for b := cfg.Attributes; len(b) >= driver.LaunchAttributeSize; b = b[driver.LaunchAttributeSize:] {
		value := b[8:]
		switch binary.LittleEndian.Uint32(b) {
		case driver.LaunchAttributeCooperative:
			o.cooperative = binary.LittleEndian.Uint32(value) != 0
		case attributeCluster:
			if clusterBlocks(b[:driver.LaunchAttributeSize]) > 1 {
				t.d.refuse("cuLaunchKernelEx with clusters")
				return driver.ErrorNotSupported
			}
		case attributeProgrammaticEvent, attributeCompletionEvent:
			if done, r = find[*event](t.d, binary.LittleEndian.Uint64(value)); r != driver.Success {
				return r
			}
		}
	}
	if o.cooperative {
		fit, r := f.blocksPerMultiprocessor(int32(o.block[0]*o.block[1]*o.block[2]), uint64(o.shared))
		if r != driver.Success {
			return r
		}
		if uint64(o.grid[0])*uint64(o.grid[1])*uint64(o.grid[2]) > uint64(fit)*uint64(t.current.machine.SMs) {
			return driver.ErrorCooperativeLaunchTooLarge
		}
	}
	if r = t.enqueue(cfg.Stream, o); r == driver.Success && done != nil {
		r = t.EventRecord(driver.Event(done.id), cfg.Stream)
	}
	return r
}

// operation checks the shape of a launch and copies its parameters.
func (f *function) operation(grid, block [3]uint32, shared uint32, params []byte) (*kernelOp, driver.Result) {
	p, r := f.program()
	if r != driver.Success {
		return nil, r
	}
	threads := uint64(block[0]) * uint64(block[1]) * uint64(block[2])
	if block[0] > maxThreads || block[1] > maxThreads || block[2] > 64 || threads == 0 || threads > maxThreads ||
		grid[0] == 0 || grid[1] == 0 || grid[2] == 0 || grid[0] > maxGridX || grid[1] > maxGridYZ || grid[2] > maxGridYZ ||
		uint64(shared)+uint64(p.SharedBytes) > uint64(f.dynamic) {
		return nil, driver.ErrorInvalidValue
	}
	if most, _ := f.attribute(0); threads > uint64(most) {
		return nil, driver.ErrorInvalidValue
	}
	last := 0
	if n := len(p.Params); n > 0 {
		last = p.Params[n-1].Offset + p.Params[n-1].Size
	}
	if len(params) < last {
		return nil, driver.ErrorInvalidValue
	}
	copied := make([]byte, (p.ParamBytes+15)&^15)
	copy(copied, params)
	asked := shared // dynamic shared memory begins after the static, aligned
	if pad := (p.SharedBytes+15)&^15 - p.SharedBytes; shared > 0 {
		shared += uint32(pad)
	}
	o := &kernelOp{f: f, p: p, grid: grid, block: block, shared: shared, asked: asked, params: copied}
	o.textures, o.surfaces = f.m.bound()
	return o, driver.Success
}

// MaxActiveClusters is how many clusters fit at once: none of several blocks, which are not served.
func (t *thread) MaxActiveClusters(h driver.Function, cfg *driver.LaunchConfig) (int32, driver.Result) {
	f, r := t.function(h)
	if r != driver.Success {
		return 0, r
	}
	fit, r := f.blocksPerMultiprocessor(int32(cfg.Block[0]*cfg.Block[1]*cfg.Block[2]), uint64(cfg.SharedBytes))
	if r != driver.Success || clusterBlocks(cfg.Attributes) > 1 {
		return 0, r
	}
	return fit * int32(t.current.machine.SMs), driver.Success
}

// clusterBlocks is how many blocks a cluster of a launch has.
func clusterBlocks(attributes []byte) uint64 {
	blocks := uint64(1)
	for b := attributes; len(b) >= driver.LaunchAttributeSize; b = b[driver.LaunchAttributeSize:] {
		if binary.LittleEndian.Uint32(b) == attributeCluster {
			for i := range 3 {
				blocks *= uint64(max(binary.LittleEndian.Uint32(b[8+4*i:]), 1))
			}
		}
	}
	return blocks
}

func (t *thread) MaxPotentialClusterSize(driver.Function, *driver.LaunchConfig) (int32, driver.Result) {
	return 1, driver.Success
}
