// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// physical is memory without an address, of cuMemCreate. It lives until it is released as often as it was
// made and retained, and nothing maps it.
type physical struct {
	id    uint64
	dev   *device
	block *mem.Block
	refs  int
	maps  int
	// shareable memory may be given to other processes.
	shareable bool
}

// mapping is a piece of a reservation with memory.
type mapping struct {
	p      *physical
	dev    *device // whose reservation it is in
	size   uint64
	access uint64
}

// virtual is the address space that programs manage themselves.
type virtual struct {
	mu           sync.Mutex
	reservations map[uint64]reserved
	mappings     map[uint64]*mapping
}

type reserved struct {
	dev  *device
	size uint64
}

func (t *thread) MemGetAllocationGranularity([]byte, uint32) (uint64, driver.Result) {
	return mem.PageSize, driver.Success
}

// MemCreate takes a CUmemAllocationProp: type, handle types, location.
func (t *thread) MemCreate(size uint64, prop []byte, flags uint64) (driver.MemHandle, driver.Result) {
	le := binary.LittleEndian
	const pinned, onDevice = 1, 1
	if len(prop) < 16 || le.Uint32(prop) != pinned || flags != 0 || size == 0 || size%mem.PageSize != 0 {
		return 0, driver.ErrorInvalidValue
	}
	const asFile = 1
	shared := le.Uint32(prop[4:])
	if shared&^asFile != 0 || le.Uint32(prop[8:]) != onDevice { // as other things than files, or of the host
		return 0, driver.ErrorNotSupported
	}
	dev, r := t.d.device(driver.Device(le.Uint32(prop[12:])))
	if r != driver.Success {
		return 0, r
	}
	b, err := scarce(dev, func() (*mem.Block, error) { return dev.memory.NewBlock(size) })
	if err != nil {
		return 0, driver.ErrorOutOfMemory
	}
	p := &physical{dev: dev, block: b, refs: 1, shareable: shared != 0}
	p.id = t.d.handles.add(p)
	return driver.MemHandle(p.id), driver.Success
}

func (t *thread) MemRelease(h driver.MemHandle) driver.Result {
	p, r := find[*physical](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	t.d.virtual.mu.Lock()
	defer t.d.virtual.mu.Unlock()
	if p.refs == 0 {
		return driver.ErrorInvalidValue
	}
	p.refs--
	p.settle(t.d)
	return driver.Success
}

// settle frees the memory if nobody has it any more.
func (p *physical) settle(d *Driver) {
	if p.refs == 0 && p.maps == 0 {
		d.handles.remove(p.id)
		p.dev.memory.FreeBlock(p.block)
	}
}

func (t *thread) MemGetAllocationPropertiesFromHandle(prop []byte, h driver.MemHandle) driver.Result {
	p, r := find[*physical](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	clear(prop)
	le := binary.LittleEndian
	le.PutUint32(prop, 1)
	if p.shareable {
		le.PutUint32(prop[4:], 1)
	}
	le.PutUint32(prop[8:], 1)
	le.PutUint32(prop[12:], uint32(p.dev.ordinal))
	return driver.Success
}

// MemAddressReserve takes the asked address for the hint that it is.
func (t *thread) MemAddressReserve(size, align uint64, _ driver.DevicePtr, flags uint64) (driver.DevicePtr, driver.Result) {
	if size == 0 || size%mem.PageSize != 0 || align&(align-1) != 0 || flags != 0 {
		return 0, driver.ErrorInvalidValue
	}
	dev := t.d.devices[0]
	if t.current != nil {
		dev = t.current.dev
	}
	a, err := dev.memory.Reserve(size, align)
	if err != nil {
		return 0, driver.ErrorOutOfMemory
	}
	v := &t.d.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reservations[a] = reserved{dev, size}
	return driver.DevicePtr(a), driver.Success
}

func (t *thread) MemAddressFree(ptr driver.DevicePtr, size uint64) driver.Result {
	v := &t.d.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.reservations[uint64(ptr)]
	if !ok || r.size != size {
		return driver.ErrorInvalidValue
	}
	for a := range v.mappings {
		if a-uint64(ptr) < size {
			return driver.ErrorInvalidValue
		}
	}
	delete(v.reservations, uint64(ptr))
	r.dev.memory.Unreserve(uint64(ptr), size)
	return driver.Success
}

// within returns the GPU in whose reservation a range lies.
func (v *virtual) within(addr, size uint64) *device {
	for lo, r := range v.reservations {
		if off := addr - lo; off < r.size && size <= r.size-off {
			return r.dev
		}
	}
	return nil
}

func (t *thread) MemMap(ptr driver.DevicePtr, size, offset uint64, h driver.MemHandle, flags uint64) driver.Result {
	p, r := find[*physical](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	v := &t.d.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	dev := v.within(uint64(ptr), size)
	if dev == nil || flags != 0 || size == 0 || (uint64(ptr)|size|offset)%mem.PageSize != 0 ||
		size > p.block.Bytes || offset > p.block.Bytes-size {
		return driver.ErrorInvalidValue
	}
	for a, m := range v.mappings {
		if a < uint64(ptr)+size && uint64(ptr) < a+m.size {
			return driver.ErrorInvalidValue
		}
	}
	if err := dev.memory.Map(uint64(ptr), p.block, offset, size); err != nil {
		return driver.ErrorMapFailed
	}
	p.maps++
	v.mappings[uint64(ptr)] = &mapping{p: p, dev: dev, size: size}
	return driver.Success
}

// spanned calls f for the mappings that make up a range, and says whether they do.
func (v *virtual) spanned(ptr, size uint64, f func(addr uint64, m *mapping)) bool {
	for at := ptr; at < ptr+size; {
		m := v.mappings[at]
		if m == nil || m.size > ptr+size-at {
			return false
		}
		at += m.size
	}
	for at := ptr; at < ptr+size; {
		m := v.mappings[at]
		f(at, m) // which may drop it
		at += m.size
	}
	return true
}

// MemSetAccess takes CUmemAccessDesc: location and flags, of which all that is not none is everything here.
func (t *thread) MemSetAccess(ptr driver.DevicePtr, size uint64, desc []byte, count uint64) driver.Result {
	if uint64(len(desc)) < 12*count || count == 0 || size == 0 || uint64(ptr)+size < size {
		return driver.ErrorInvalidValue
	}
	flags := uint64(0)
	for i := range count {
		flags |= uint64(binary.LittleEndian.Uint32(desc[12*i+8:]))
	}
	v := &t.d.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	ok := v.spanned(uint64(ptr), size, func(addr uint64, m *mapping) {
		switch {
		case m.access == 0 && flags != 0:
			_ = t.d.space.Add(mem.Range{Lo: addr, Hi: addr + m.size, Device: m.p.dev.ordinal, Symbol: true})
		case m.access != 0 && flags == 0:
			t.d.space.Remove(addr)
		}
		m.access = flags
	})
	if !ok {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

func (t *thread) MemGetAccess(_ []byte, ptr driver.DevicePtr) (uint64, driver.Result) {
	v := &t.d.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	for a, m := range v.mappings {
		if uint64(ptr)-a < m.size {
			return m.access, driver.Success
		}
	}
	return 0, driver.ErrorInvalidValue
}

// MemUnmap waits for the GPUs' work first.
func (t *thread) MemUnmap(ptr driver.DevicePtr, size uint64) driver.Result {
	t.d.eachContext((*context).wait)
	v := &t.d.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	if uint64(ptr)+size < size || !v.spanned(uint64(ptr), size, func(addr uint64, m *mapping) {
		if m.access != 0 {
			t.d.space.Remove(addr)
		}
		_ = m.dev.memory.Unmap(addr, m.size)
		delete(v.mappings, addr)
		m.p.maps--
		m.p.settle(t.d)
	}) {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

func (t *thread) MemRetainAllocationHandle(addr driver.HostPtr) (driver.MemHandle, driver.Result) {
	v := &t.d.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	for a, m := range v.mappings {
		if uint64(addr)-a < m.size {
			m.p.refs++
			return driver.MemHandle(m.p.id), driver.Success
		}
	}
	return 0, driver.ErrorInvalidValue
}
