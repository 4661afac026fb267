// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// pitchAlign is the alignment of rows that MemAllocPitch gives, in bytes.
const pitchAlign = 512

func (t *thread) alloc(n uint64, template mem.Range) (driver.DevicePtr, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	if n == 0 {
		return 0, driver.ErrorInvalidValue
	}
	if t.offends() {
		return 0, driver.ErrorStreamCaptureUnsupported
	}
	a, err := c.dev.alloc(n, template)
	if err != nil {
		return 0, driver.ErrorOutOfMemory
	}
	c = c.home()
	c.mu.Lock()
	c.owned[a] = struct{}{}
	c.mu.Unlock()
	return driver.DevicePtr(a), driver.Success
}

func (t *thread) MemAlloc(n uint64) (driver.DevicePtr, driver.Result) { return t.alloc(n, mem.Range{}) }

// MemAllocManaged gives memory of the GPU: host and GPU are one here, but the client is elsewhere.
func (t *thread) MemAllocManaged(n uint64, flags uint32) (driver.DevicePtr, driver.Result) {
	if flags != 1 && flags != 2 {
		return 0, driver.ErrorInvalidValue
	}
	return t.alloc(n, mem.Range{Managed: true})
}

func (t *thread) MemAllocPitch(width, height uint64, element uint32) (driver.DevicePtr, uint64, driver.Result) {
	if width == 0 || height == 0 || width > 1<<40 || height > 1<<40 || element != 4 && element != 8 && element != 16 {
		return 0, 0, driver.ErrorInvalidValue
	}
	pitch := (width + pitchAlign - 1) &^ (pitchAlign - 1)
	if height > (1<<46)/pitch {
		return 0, 0, driver.ErrorOutOfMemory
	}
	p, r := t.alloc(pitch*height, mem.Range{})
	return p, pitch, r
}

// owner is the GPU whose memory an address is.
func (d *Driver) owner(addr uint64) (*device, mem.Range, bool) {
	r, ok := d.space.Find(addr)
	if !ok || r.Device == mem.Host || r.Device >= len(d.devices) {
		return nil, r, false
	}
	return d.devices[r.Device], r, true
}

// MemFree waits for the GPU's work first: a kernel may be using the memory.
func (t *thread) MemFree(p driver.DevicePtr) driver.Result {
	c, r := t.context()
	if r != driver.Success {
		return r
	}
	if p == 0 {
		return driver.Success
	}
	if t.d.isImported(uint64(p)) {
		t.d.eachContext((*context).wait)
		return t.d.drop(uint64(p))
	}
	dev, found, ok := t.d.owner(uint64(p))
	if !ok || found.Symbol || found.Lo != uint64(p) {
		return driver.ErrorInvalidValue
	}
	t.d.eachContext(func(o *context) {
		if o.home() == c.home() {
			o.wait()
		}
	})
	if r := c.result(); r != driver.Success {
		return r
	}
	if m := t.d.graphMemoryAt(uint64(p)); m != nil {
		if r := m.freeing(); r != driver.Success {
			return r
		}
		m.release()
		return driver.Success
	}
	return freeOp{t.d, dev, uint64(p)}.run(c)
}

// release frees an allocation and makes its context forget it.
func (d *Driver) release(dev *device, p uint64) driver.Result {
	if !dev.free(p) {
		return driver.ErrorInvalidValue
	}
	d.eachContext(func(c *context) {
		c.mu.Lock()
		delete(c.owned, p)
		c.mu.Unlock()
	})
	return driver.Success
}

func (t *thread) MemGetInfo() (free, total uint64, r driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, 0, r
	}
	free, total = c.dev.memory.Info()
	return free, total, driver.Success
}

func (t *thread) MemGetAddressRange(p driver.DevicePtr) (driver.DevicePtr, uint64, driver.Result) {
	if _, r := t.context(); r != driver.Success {
		return 0, 0, r
	}
	r, ok := t.d.space.Find(uint64(p))
	if !ok {
		return 0, 0, driver.ErrorNotFound
	}
	return driver.DevicePtr(r.Lo), r.Hi - r.Lo, driver.Success
}

// MemHostRegister makes memory of this process usable by kernels, at its own address.
func (t *thread) MemHostRegister(p driver.HostPtr, n uint64, _ uint32) driver.Result {
	c, r := t.context()
	if r != driver.Success {
		return r
	}
	if p == 0 || n == 0 || uint64(p)+n < n {
		return driver.ErrorInvalidValue
	}
	if t.offends() {
		return driver.ErrorStreamCaptureUnsupported
	}
	if t.d.space.Add(mem.Range{Lo: uint64(p), Hi: uint64(p) + n, Device: mem.Host}) != nil {
		return driver.ErrorHostMemoryAlreadyRegistered
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[uint64(p)] = struct{}{}
	return driver.Success
}

func (t *thread) MemHostUnregister(p driver.HostPtr) driver.Result {
	c, r := t.context()
	if r != driver.Success {
		return r
	}
	if f, ok := t.d.space.Find(uint64(p)); !ok || f.Lo != uint64(p) || f.Device != mem.Host {
		return driver.ErrorHostMemoryNotRegistered
	}
	c.wait()
	t.d.space.Remove(uint64(p))
	t.d.eachContext(func(o *context) {
		o.mu.Lock()
		delete(o.hosts, uint64(p))
		o.mu.Unlock()
	})
	return driver.Success
}

func (t *thread) MemHostGetDevicePointer(p driver.HostPtr, flags uint32) (driver.DevicePtr, driver.Result) {
	if _, r := t.context(); r != driver.Success {
		return 0, r
	}
	if f, ok := t.d.space.Find(uint64(p)); !ok || f.Device != mem.Host || flags != 0 {
		return 0, driver.ErrorInvalidValue
	}
	return driver.DevicePtr(p), driver.Success
}

// PointerGetAttribute fills in the value of a CUpointer_attribute.
func (t *thread) PointerGetAttribute(data []byte, attribute uint32, p driver.DevicePtr) driver.Result {
	if _, r := t.context(); r != driver.Success {
		return r
	}
	r, ok := t.d.space.Find(uint64(p))
	if !ok {
		return driver.ErrorInvalidValue
	}
	put := func(v uint64) driver.Result {
		clear(data)
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], v)
		copy(data, b[:])
		return driver.Success
	}
	dev, _, onDevice := t.d.owner(uint64(p))
	const typeHost, typeDevice, readWrite = 1, 2, 3
	switch attribute {
	case 1: // context
		if !onDevice {
			return put(t.current.id)
		}
		dev.mu.Lock()
		defer dev.mu.Unlock()
		if dev == t.current.dev || dev.primary == nil {
			return put(t.current.id)
		}
		return put(dev.primary.id)
	case 2:
		if onDevice {
			return put(typeDevice)
		}
		return put(typeHost)
	case 3:
		return put(uint64(p))
	case 4:
		if onDevice && !r.Managed {
			return driver.ErrorInvalidValue
		}
		return put(uint64(p))
	case 6, 10, 14, 15, 17:
		return put(0)
	case 7, 20:
		return put(r.ID)
	case 8:
		if r.Managed {
			return put(1)
		}
		return put(0)
	case 9:
		if onDevice {
			return put(uint64(dev.ordinal))
		}
		return put(uint64(t.current.dev.ordinal))
	case 11, 19:
		return put(r.Lo)
	case 12, 18:
		return put(r.Hi - r.Lo)
	case 13:
		return put(1)
	case 16:
		return put(readWrite)
	}
	return driver.ErrorNotSupported
}

// Advice and prefetching change nothing: there is one memory.
func (t *thread) MemAdvise(p driver.DevicePtr, n uint64, _ uint32, _ driver.Device) driver.Result {
	return t.managed(p, n)
}

func (t *thread) MemAdviseV2(p driver.DevicePtr, n uint64, _ uint32, _ uint64) driver.Result {
	return t.managed(p, n)
}

func (t *thread) MemPrefetchAsync(p driver.DevicePtr, n uint64, _ driver.Device, _ driver.Stream) driver.Result {
	return t.managed(p, n)
}

func (t *thread) MemPrefetchAsyncV2(p driver.DevicePtr, n uint64, _ uint64, _ uint32, _ driver.Stream) driver.Result {
	return t.managed(p, n)
}

// managed says whether n bytes at an address are managed memory.
func (t *thread) managed(p driver.DevicePtr, n uint64) driver.Result {
	if _, r := t.context(); r != driver.Success {
		return r
	}
	if r, ok := t.d.space.Find(uint64(p)); !ok || !r.Managed || n == 0 || n > r.Hi-uint64(p) {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// hostBytes is memory of this process that the caller vouches for. Its address may be that of Go memory,
// which the compiler's checks let nobody compute.
func hostBytes(p driver.HostPtr, n uint64) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&p)), n)
}
