// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// fillOp writes height rows of width elements.
type fillOp struct {
	dst, pitch    uint64
	value         uint32
	element       uint32 // bytes
	width, height uint64
}

func (*fillOp) kind() uint32 { return nodeMemset }

func (o *fillOp) run(c *context) driver.Result {
	if o.height == 0 {
		return driver.Success
	}
	if !o.there(c.d) {
		return driver.ErrorIllegalAddress
	}
	var pattern [4]byte
	binary.LittleEndian.PutUint32(pattern[:], o.value)
	for y := range o.height {
		row := mem.Bytes(o.dst+y*o.pitch, o.width*uint64(o.element))
		n := copy(row, pattern[:o.element])
		for n < len(row) {
			n += copy(row[n:], row[:n])
		}
	}
	return driver.Success
}

func (o *fillOp) check(d *Driver) driver.Result {
	r := o.checkShape()
	if r == driver.Success && o.height != 0 && !o.there(d) {
		return driver.ErrorInvalidValue
	}
	return r
}

func (o *fillOp) checkShape() driver.Result {
	if o.width == 0 || o.height == 0 {
		o.height = 0
		return driver.Success
	}
	if o.element != 1 && o.element != 2 && o.element != 4 || o.dst%uint64(o.element) != 0 || o.width > 1<<44 {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// there says whether the memory is the device's.
func (o *fillOp) there(d *Driver) bool {
	s := side{addr: o.dst, pitch: o.pitch}
	n, ok := s.extent(o.width*uint64(o.element), o.height, 1)
	return ok && d.space.Holds(o.dst, n)
}

// fill has a stream fill memory. Captured, it is not looked for before the graph runs, as with NVIDIA's driver.
func (t *thread) fill(dst driver.DevicePtr, pitch uint64, value, element uint32, width, height uint64, h driver.Stream) driver.Result {
	o := &fillOp{uint64(dst), pitch, value, element, width, height}
	s, r := t.stream(h)
	if r != driver.Success {
		return r
	}
	if r := o.checkShape(); r != driver.Success || o.height == 0 {
		return r
	}
	if !o.there(t.d) && !t.d.isCaptured(s) {
		return driver.ErrorInvalidValue
	}
	return t.enqueue(h, o)
}

func (t *thread) MemsetD8Async(dst driver.DevicePtr, v uint8, n uint64, s driver.Stream) driver.Result {
	return t.fill(dst, 0, uint32(v), 1, n, 1, s)
}

func (t *thread) MemsetD16Async(dst driver.DevicePtr, v uint16, n uint64, s driver.Stream) driver.Result {
	return t.fill(dst, 0, uint32(v), 2, n, 1, s)
}

func (t *thread) MemsetD32Async(dst driver.DevicePtr, v uint32, n uint64, s driver.Stream) driver.Result {
	return t.fill(dst, 0, v, 4, n, 1, s)
}

func (t *thread) MemsetD2D8Async(dst driver.DevicePtr, pitch uint64, v uint8, w, h uint64, s driver.Stream) driver.Result {
	return t.fill(dst, pitch, uint32(v), 1, w, h, s)
}

func (t *thread) MemsetD2D16Async(dst driver.DevicePtr, pitch uint64, v uint16, w, h uint64, s driver.Stream) driver.Result {
	return t.fill(dst, pitch, uint32(v), 2, w, h, s)
}

func (t *thread) MemsetD2D32Async(dst driver.DevicePtr, pitch uint64, v uint32, w, h uint64, s driver.Stream) driver.Result {
	return t.fill(dst, pitch, v, 4, w, h, s)
}
