// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"encoding/binary"
	"slices"
)

// Kernels that launch kernels: what the CUDA device runtime, which nvcc links to them, calls of its driver. The names
// of its first version begin with cnp, those of the second, for grids that their parents cannot wait for, with
// __cuda_syscall_cnpv2.

// Results of the driver to the device runtime, which makes cudaError_t of them.
const (
	childInvalidValue  = 1
	childInvalidDevice = 3
	// ChildInvalidConfiguration and ChildTooMany are results of Machine.Child.
	ChildInvalidConfiguration = 7
	ChildTooMany              = 12
)

// tailStream is the stream of grids that begin when their parent has ended, with all others that it has launched.
const tailStream = 3

// child is a grid whose parameters a kernel is about to write.
type child struct {
	kernel        string // "" if it comes with the launch
	grid, block   [3]uint32
	shared        uint32
	params, bytes uint64
}

func init() {
	for name, f := range map[string]builtin{
		"GetParameterBuffer": parameterBuffer, "LaunchDevice": launchDevice,
		"GetParameterBufferV2": parameterBufferV2, "LaunchDeviceV2": launchDeviceV2,
		"GetLastError": getLastError, "SetLastError": setLastError,
		"StreamCreate": createStream, "EventCreate": createEvent,
		// Grids run in the order of their launches, which is more than streams and events can ask for.
		"StreamDestroy": childNothing, "StreamWaitEvent": childNothing, "EventRecord": childNothing, "EventDestroy": childNothing,
	} {
		builtins["cnp"+name], builtins["__cuda_syscall_cnpv2"+name] = f, f
	}
}

func childNothing(*warp, int, []uint64) uint64 { return 0 }

func getLastError(w *warp, lane int, _ []uint64) uint64 { return uint64(w.errors[lane]) }

func setLastError(w *warp, lane int, args []uint64) uint64 {
	w.errors[lane] = uint32(args[0])
	return args[0]
}

// createStream writes the handle of a stream, which must be a non-blocking one.
func createStream(w *warp, lane int, args []uint64) uint64 { return w.childHandle(lane, args, 1) }

// createEvent writes the handle of an event, which must be one without timing.
func createEvent(w *warp, lane int, args []uint64) uint64 { return w.childHandle(lane, args, 2) }

func (w *warp) childHandle(lane int, args []uint64, flags uint32) uint64 {
	if uint32(args[1]) != flags {
		return childInvalidValue
	}
	to := w.genericBytes(lane, args[0])
	if len(to) < 8 {
		w.raise(IllegalAddress, lane, args[0], "")
	}
	binary.LittleEndian.PutUint64(to, gridIDs.Add(1)<<8)
	return 0
}

// kernelAt returns the kernel at an address, linked, or nil.
func (w *warp) kernelAt(lane int, addr uint64) *Program {
	m := w.block.launch.program.module
	n := addr - codeWindow
	if n%codeStep != 0 || n > offsetMask || n/codeStep < 1 || n/codeStep > uint64(len(m.ids)) {
		return nil
	}
	name := m.ids[n/codeStep-1]
	if !m.HasKernel(name) {
		return nil
	}
	p, err := m.Program(name)
	if err != nil {
		w.raise(IllegalInstruction, lane, 0, err.Error())
	}
	return p
}

func (l *Launch) room(c child) uint64 {
	if l.Machine.Alloc == nil {
		return 0
	}
	if c.params = l.Machine.Alloc(max(c.bytes, 1)); c.params == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.children == nil {
		l.children = map[uint64]child{}
	}
	l.children[c.params] = c
	return c.params
}

// parameterBuffer takes alignment and size.
func parameterBuffer(w *warp, _ int, args []uint64) uint64 {
	return w.block.launch.room(child{bytes: uint64(uint32(args[1]))})
}

// parameterBufferV2 takes kernel, grid, block (each of these two in two words) and dynamic shared memory.
func parameterBufferV2(w *warp, lane int, args []uint64) uint64 {
	p := w.kernelAt(lane, args[0])
	if p == nil {
		return 0
	}
	return w.block.launch.room(child{kernel: p.Name, bytes: uint64(p.ParamBytes), grid: dimensions(args[1:]), block: dimensions(args[3:]),
		shared: uint32(args[5])})
}

func dimensions(words []uint64) [3]uint32 {
	return [3]uint32{uint32(words[0]), uint32(words[0] >> 32), uint32(words[1])}
}

// launchDevice takes kernel, parameters, the addresses of grid and block, dynamic shared memory and stream.
func launchDevice(w *warp, lane int, args []uint64) uint64 {
	c, ok := w.block.launch.take(args[1])
	p := w.kernelAt(lane, args[0])
	if !ok || p == nil {
		return childInvalidValue
	}
	c.kernel, c.shared = p.Name, uint32(args[4])
	for i, to := range []*[3]uint32{&c.grid, &c.block} {
		b := w.genericBytes(lane, args[2+i])
		if len(b) < 12 {
			w.raise(IllegalAddress, lane, args[2+i], "")
		}
		for j := range to {
			to[j] = binary.LittleEndian.Uint32(b[4*j:])
		}
	}
	return w.launchChild(lane, c, args[5])
}

// launchDeviceV2 takes parameters and stream.
func launchDeviceV2(w *warp, lane int, args []uint64) uint64 {
	c, ok := w.block.launch.take(args[0])
	if !ok || c.kernel == "" {
		return childInvalidValue
	}
	return w.launchChild(lane, c, args[1])
}

// take gives the grid with these parameters, once.
func (l *Launch) take(params uint64) (child, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.children[params]
	delete(l.children, params)
	return c, ok
}

func (w *warp) launchChild(lane int, c child, stream uint64) uint64 {
	m := w.block.launch.Machine
	if m.Child == nil {
		return childInvalidDevice
	}
	params := w.genericBytes(lane, c.params)
	params = slices.Clone(params[:min(uint64(len(params)), c.bytes)])
	m.Free(c.params)
	clear(w.caches)
	return uint64(m.Child(c.kernel, c.grid, c.block, c.shared, params, stream == tailStream))
}

// forget frees the parameters of grids that were never launched.
func (l *Launch) forget() {
	for _, c := range l.children {
		l.Machine.Free(c.params)
	}
	l.children = nil
}
