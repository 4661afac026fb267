// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"os"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// Processes share memory by its file: one maps a part of what another GPU of the same place has.

// where tells another process where memory is: whose it is, on which of the node's GPUs, and where in the file.
type where struct {
	origin       [16]byte // of the driver that has it
	index        uint32   // of the GPU on the node
	offset, size uint64
}

const whereBytes = 40

func (w where) bytes() []byte {
	b := append([]byte(nil), w.origin[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(w.index))
	b = binary.LittleEndian.AppendUint64(b, w.offset)
	return binary.LittleEndian.AppendUint64(b, w.size)
}

func whereFrom(b []byte) (w where, ok bool) {
	if len(b) != whereBytes {
		return w, false
	}
	le := binary.LittleEndian
	w = where{[16]byte(b), uint32(le.Uint64(b[16:])), le.Uint64(b[24:]), le.Uint64(b[32:])}
	return w, w.offset+w.size >= w.size
}

// imports are what this process has of others' memory.
type imports struct {
	mu   sync.Mutex
	byAt map[uint64]*imported
	byIt map[where]*imported
}

type imported struct {
	w      where
	dev    *device
	base   uint64 // of the mapping, and its size
	mapped uint64
	ptr    uint64
	refs   int
}

// deviceAt is the GPU with an index on the node.
func (d *Driver) deviceAt(index uint32) *device {
	for _, dev := range d.devices {
		if dev.index == int(index) {
			return dev
		}
	}
	return nil
}

// take maps another process's memory; what is there already is counted.
func (d *Driver) take(w where, f *os.File) (uint64, driver.Result) {
	im := &d.imports
	im.mu.Lock()
	defer im.mu.Unlock()
	if i := im.byIt[w]; i != nil {
		i.refs++
		return i.ptr, driver.Success
	}
	dev := d.deviceAt(w.index)
	if dev == nil || f == nil || w.size == 0 {
		return 0, driver.ErrorInvalidValue
	}
	const page = 4096
	from, to := w.offset&^(page-1), w.offset+w.size
	b, err := mem.OtherBlock(f, to)
	if err != nil {
		return 0, driver.ErrorInvalidValue
	}
	defer dev.memory.FreeBlock(b) // the mapping keeps what it needs
	i := &imported{w: w, dev: dev, mapped: (to - from + mem.PageSize - 1) &^ (mem.PageSize - 1), refs: 1}
	if i.base, err = dev.memory.Reserve(i.mapped, mem.PageSize); err != nil {
		return 0, driver.ErrorOutOfMemory
	}
	i.ptr = i.base + w.offset - from
	if dev.memory.Map(i.base, b, from, to-from) != nil ||
		d.space.Add(mem.Range{Lo: i.ptr, Hi: i.ptr + w.size, Device: dev.ordinal, Symbol: true}) != nil {
		i.unmap()
		return 0, driver.ErrorMapFailed
	}
	im.byAt[i.ptr], im.byIt[w] = i, i
	return i.ptr, driver.Success
}

func (i *imported) unmap() {
	_ = i.dev.memory.Unmap(i.base, i.mapped)
	i.dev.memory.Unreserve(i.base, i.mapped)
}

// drop takes one use of another's memory back; the last unmaps it.
func (d *Driver) drop(ptr uint64) driver.Result {
	im := &d.imports
	im.mu.Lock()
	defer im.mu.Unlock()
	i := im.byAt[ptr]
	if i == nil {
		return driver.ErrorInvalidValue
	}
	if i.refs--; i.refs == 0 {
		d.space.Remove(ptr)
		i.unmap()
		delete(im.byAt, ptr)
		delete(im.byIt, i.w)
	}
	return driver.Success
}

func (d *Driver) isImported(ptr uint64) bool {
	d.imports.mu.Lock()
	defer d.imports.mu.Unlock()
	return d.imports.byAt[ptr] != nil
}

// located tells where an allocation of this process is.
func (t *thread) located(p driver.DevicePtr) (where, *device, driver.Result) {
	dev, found, ok := t.d.owner(uint64(p))
	if !ok || found.Symbol || found.Lo != uint64(p) {
		return where{}, nil, driver.ErrorInvalidValue
	}
	return where{origin: t.d.origin, index: uint32(dev.index), size: found.Hi - found.Lo}, dev, driver.Success
}

func (t *thread) IpcGetMem(p driver.DevicePtr) (driver.Shared, driver.Result) {
	if _, r := t.context(); r != driver.Success {
		return driver.Shared{}, r
	}
	w, dev, r := t.located(p)
	if r != driver.Success {
		return driver.Shared{}, r
	}
	f, offset, err := dev.memory.File(uint64(p))
	if err != nil {
		return driver.Shared{}, driver.ErrorOperatingSystem
	}
	w.offset = offset
	return driver.Shared{Data: w.bytes(), File: f}, driver.Success
}

func (t *thread) IpcOpenMem(s driver.Shared, flags uint32) (driver.DevicePtr, driver.Result) {
	if _, r := t.context(); r != driver.Success {
		return 0, r
	}
	const lazyPeerAccess = 1
	w, ok := whereFrom(s.Data)
	if !ok || flags != lazyPeerAccess {
		return 0, driver.ErrorInvalidValue
	}
	if w.origin == t.d.origin { // a process has its own memory already
		return 0, driver.ErrorInvalidContext
	}
	p, r := t.d.take(w, s.File)
	return driver.DevicePtr(p), r
}

func (t *thread) IpcCloseMem(p driver.DevicePtr) driver.Result {
	if _, r := t.context(); r != driver.Success {
		return r
	}
	if !t.d.isImported(uint64(p)) {
		return driver.ErrorInvalidValue
	}
	t.d.eachContext((*context).wait)
	return t.d.drop(uint64(p))
}

// MemExport gives a block's file. It must have been made to be given.
func (t *thread) MemExport(h driver.MemHandle) (driver.Shared, driver.Result) {
	p, r := find[*physical](t.d, h)
	if r != driver.Success || !p.shareable {
		return driver.Shared{}, driver.ErrorInvalidValue
	}
	f, err := p.block.File()
	if err != nil {
		return driver.Shared{}, driver.ErrorOperatingSystem
	}
	return driver.Shared{Data: where{origin: t.d.origin, index: uint32(p.dev.index), size: p.block.Bytes}.bytes(), File: f}, driver.Success
}

func (t *thread) MemImport(s driver.Shared) (driver.MemHandle, driver.Result) {
	w, ok := whereFrom(s.Data)
	dev := t.d.deviceAt(w.index)
	if !ok || dev == nil || s.File == nil || w.offset != 0 || w.size%mem.PageSize != 0 {
		return 0, driver.ErrorInvalidValue
	}
	b, err := mem.OtherBlock(s.File, w.size)
	if err != nil {
		return 0, driver.ErrorInvalidValue
	}
	p := &physical{dev: dev, block: b, refs: 1, shareable: true}
	p.id = t.d.handles.add(p)
	return driver.MemHandle(p.id), driver.Success
}

// PoolExport gives the memory of the pool's GPU; what of it others may map, they are told pointer by pointer.
func (t *thread) PoolExport(h driver.MemPool) (driver.Shared, driver.Result) {
	p, r := find[*pool](t.d, h)
	if r != driver.Success || !p.shareable {
		return driver.Shared{}, driver.ErrorInvalidValue
	}
	f, _, err := p.dev.memory.File(0)
	if err != nil {
		return driver.Shared{}, driver.ErrorOperatingSystem
	}
	return driver.Shared{Data: where{origin: t.d.origin, index: uint32(p.dev.index)}.bytes(), File: f}, driver.Success
}

func (t *thread) PoolImport(s driver.Shared) (driver.MemPool, driver.Result) {
	w, ok := whereFrom(s.Data)
	dev := t.d.deviceAt(w.index)
	if !ok || dev == nil || s.File == nil {
		return 0, driver.ErrorInvalidValue
	}
	f, err := again(s.File)
	if err != nil {
		return 0, driver.ErrorOperatingSystem
	}
	p := t.d.newPool(dev)
	p.other, p.file = &w.origin, f
	return driver.MemPool(p.id), driver.Success
}

func (t *thread) PoolExportPointer(ptr driver.DevicePtr) (driver.Shared, driver.Result) {
	w, dev, r := t.located(ptr)
	if r != driver.Success {
		return driver.Shared{}, r
	}
	p := dev.poolAt(uint64(ptr))
	if p == nil || !p.shareable {
		return driver.Shared{}, driver.ErrorInvalidValue
	}
	w.offset = dev.memory.Offset(uint64(ptr))
	return driver.Shared{Data: w.bytes()}, driver.Success
}

func (t *thread) PoolImportPointer(h driver.MemPool, s driver.Shared) (driver.DevicePtr, driver.Result) {
	p, r := find[*pool](t.d, h)
	w, ok := whereFrom(s.Data)
	if r != driver.Success || !ok || p.other == nil || *p.other != w.origin || int(w.index) != p.dev.index {
		return 0, driver.ErrorInvalidValue
	}
	if w.origin == t.d.origin {
		return 0, driver.ErrorInvalidContext
	}
	ptr, r := t.d.take(w, p.file)
	return driver.DevicePtr(ptr), r
}

// dropOp unmaps another process's memory in stream order.
type dropOp struct {
	d    *Driver
	addr uint64
}

func (dropOp) kind() uint32 { return nodeEmpty }

func (o dropOp) run(*context) driver.Result { return o.d.drop(o.addr) }
