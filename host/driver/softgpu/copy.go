// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"slices"

	"github.com/orion-vgpu/orion/host/driver"
)

// side is one end of a copy: rows of bytes in slices.
type side struct {
	host         bool
	addr         uint64
	pitch, slice uint64    // bytes from row to row and from slice to slice
	rest         [3]uint64 // of an array: bytes, rows and slices from here to its end
	kept         []byte    // what the host memory held when the copy was asked for
}

// copyOp copies depth slices of height rows of width bytes.
type copyOp struct {
	dst, src             side
	width, height, depth uint64
	params               []byte // as a CUDA_MEMCPY3D, for graphs
}

func (*copyOp) kind() uint32 { return nodeMemcpy }

func (o *copyOp) run(c *context) driver.Result {
	for z := range o.depth {
		for y := range o.height {
			to, from := o.dst.row(y, z, o.width), o.src.row(y, z, o.width)
			copy(to, from)
		}
	}
	return driver.Success
}

func (s *side) row(y, z, width uint64) []byte {
	at := z*s.slice + y*s.pitch
	if s.kept != nil {
		return s.kept[at : at+width]
	}
	return hostBytes(driver.HostPtr(s.addr+at), width)
}

// extent is the number of bytes from the first to the last of a side; ok is false if it is absurd.
func (s *side) extent(width, height, depth uint64) (n uint64, ok bool) {
	const limit = 1 << 44
	if width > limit || height > limit || depth > limit || s.pitch > limit || s.slice > limit ||
		height > 1 && s.pitch > limit/height || depth > 1 && s.slice > limit/depth {
		return 0, false
	}
	return (depth-1)*s.slice + (height-1)*s.pitch + width, true
}

// check says whether both sides are memory that may be copied.
func (o *copyOp) check(d *Driver) driver.Result {
	if o.width == 0 || o.height == 0 || o.depth == 0 {
		o.depth = 0
		return driver.Success
	}
	for _, s := range []*side{&o.dst, &o.src} {
		if s.rest[0] != 0 && (o.width > s.rest[0] || o.height > s.rest[1] || o.depth > s.rest[2]) {
			return driver.ErrorInvalidValue
		}
		n, ok := s.extent(o.width, o.height, o.depth)
		if !ok || s.addr == 0 || !s.host && !d.space.Holds(s.addr, n) {
			return driver.ErrorInvalidValue
		}
	}
	return driver.Success
}

// copy checks a copy and queues it. Host memory that is not registered belongs to the caller again when the
// call returns: it is read now, or the call waits until it is written.
func (t *thread) copy(o *copyOp, sh driver.Stream) driver.Result {
	s, r := t.stream(sh)
	if r != driver.Success {
		return r
	}
	if r := o.check(t.d); r != driver.Success || o.depth == 0 {
		return r
	}
	if captured, r := t.d.captured(s, o); captured {
		return r
	}
	if o.src.host && !t.d.registered(&o.src) {
		if s.idle() { // what other streams do next finds it done, as on a real GPU
			return s.ctx.execute(o)
		}
		n, _ := o.src.extent(o.width, o.height, o.depth)
		o.src.kept = slices.Clone(hostBytes(driver.HostPtr(o.src.addr), n))
	}
	f := s.submit(o)
	if o.dst.host && !t.d.registered(&o.dst) {
		f.wait()
		return s.ctx.result()
	}
	return driver.Success
}

func (d *Driver) registered(s *side) bool {
	_, ok := d.space.Find(s.addr)
	return ok
}

func flat(dst, src side, n uint64) *copyOp {
	return &copyOp{dst: dst, src: src, width: n, height: 1, depth: 1}
}

func deviceSide(p driver.DevicePtr) side { return side{addr: uint64(p)} }
func hostSide(p driver.HostPtr) side     { return side{host: true, addr: uint64(p)} }

// sync makes a copy in the default stream and waits for it.
func (t *thread) sync(o *copyOp) driver.Result {
	if r := o.check(t.d); r != driver.Success || o.depth == 0 {
		return r
	}
	return t.now(driver.StreamDefault, o)
}

func (t *thread) MemcpyHtoD(dst driver.DevicePtr, src driver.HostPtr, n uint64) driver.Result {
	return t.sync(flat(deviceSide(dst), hostSide(src), n))
}

func (t *thread) MemcpyDtoH(dst driver.HostPtr, src driver.DevicePtr, n uint64) driver.Result {
	return t.sync(flat(hostSide(dst), deviceSide(src), n))
}

func (t *thread) MemcpyDtoD(dst, src driver.DevicePtr, n uint64) driver.Result {
	return t.sync(flat(deviceSide(dst), deviceSide(src), n))
}

func (t *thread) MemcpyHtoDAsync(dst driver.DevicePtr, src driver.HostPtr, n uint64, s driver.Stream) driver.Result {
	return t.copy(flat(deviceSide(dst), hostSide(src), n), s)
}

func (t *thread) MemcpyDtoHAsync(dst driver.HostPtr, src driver.DevicePtr, n uint64, s driver.Stream) driver.Result {
	return t.copy(flat(hostSide(dst), deviceSide(src), n), s)
}

func (t *thread) MemcpyDtoDAsync(dst, src driver.DevicePtr, n uint64, s driver.Stream) driver.Result {
	return t.copy(flat(deviceSide(dst), deviceSide(src), n), s)
}

func (t *thread) MemcpyAsync(dst, src driver.DevicePtr, n uint64, s driver.Stream) driver.Result {
	return t.copy(flat(deviceSide(dst), deviceSide(src), n), s)
}

func (t *thread) MemcpyPeerAsync(dst driver.DevicePtr, dstCtx driver.Context, src driver.DevicePtr, srcCtx driver.Context, n uint64, s driver.Stream) driver.Result {
	for _, h := range []driver.Context{dstCtx, srcCtx} {
		if _, r := find[*context](t.d, h); r != driver.Success {
			return driver.ErrorInvalidContext
		}
	}
	return t.copy(flat(deviceSide(dst), deviceSide(src), n), s)
}

// CUmemorytype.
const (
	memoryHost    = 1
	memoryDevice  = 2
	memoryArray   = 3
	memoryUnified = 4
)

// place reads one side of a CUDA_MEMCPY2D or 3D; words are its fields of eight bytes.
func (d *Driver) place(kind uint32, host, device, array, pitch, height, x, y, z uint64) (side, driver.Result) {
	if kind == memoryArray {
		return d.placeArray(array, x, y, z)
	}
	s := side{addr: device, pitch: pitch, slice: pitch * height}
	switch kind {
	case memoryHost:
		s.host, s.addr = true, host
	case memoryDevice, memoryUnified:
	default:
		return s, driver.ErrorInvalidValue
	}
	if x > 1<<44 || y > 1<<44 || z > 1<<44 || pitch > 1<<44 || height > 1<<44 || s.addr == 0 {
		return s, driver.ErrorInvalidValue
	}
	s.addr += x + y*pitch + z*s.slice
	return s, driver.Success
}

// placeArray is a place in an array: x counts bytes.
func (d *Driver) placeArray(h, x, y, z uint64) (side, driver.Result) {
	a, r := find[*array](d, h)
	if r != driver.Success {
		return side{}, r
	}
	m := &a.image
	row := uint64(m.Width * m.TexelBytes())
	if x >= row || y >= uint64(m.Height) || z >= uint64(m.Depth) {
		return side{}, driver.ErrorInvalidValue
	}
	s := side{addr: m.Base + z*m.Slice + y*m.Pitch + x, pitch: m.Pitch, slice: m.Slice}
	s.rest = [3]uint64{row - x, uint64(m.Height) - y, uint64(m.Depth) - z}
	return s, driver.Success
}

// parse2D reads a CUDA_MEMCPY2D of 128 bytes.
func (d *Driver) parse2D(b []byte) (*copyOp, driver.Result) {
	w := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	src, r := d.place(uint32(w(2)), w(3), w(4), w(5), w(6), 0, w(0), w(1), 0)
	if r != driver.Success {
		return nil, r
	}
	dst, r := d.place(uint32(w(9)), w(10), w(11), w(12), w(13), 0, w(7), w(8), 0)
	if r != driver.Success {
		return nil, r
	}
	o := &copyOp{dst: dst, src: src, width: w(14), height: w(15), depth: 1}
	if o.height > 1 && (src.pitch != 0 && src.pitch < o.width || dst.pitch != 0 && dst.pitch < o.width) {
		return nil, driver.ErrorInvalidValue
	}
	o.pack()
	return o, driver.Success
}

// pack gives sides without a pitch rows that follow one another.
func (o *copyOp) pack() {
	for _, s := range []*side{&o.src, &o.dst} {
		if s.pitch == 0 {
			s.pitch = o.width
		}
		if s.slice == 0 {
			s.slice = s.pitch * o.height
		}
	}
}

// parse3D reads a CUDA_MEMCPY3D or CUDA_MEMCPY3D_PEER of 200 bytes.
func (d *Driver) parse3D(b []byte) (*copyOp, driver.Result) {
	w := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	src, r := d.place(uint32(w(4)), w(5), w(6), w(7), w(9), w(10), w(0), w(1), w(2))
	if r != driver.Success {
		return nil, r
	}
	dst, r := d.place(uint32(w(15)), w(16), w(17), w(18), w(20), w(21), w(11), w(12), w(13))
	if r != driver.Success {
		return nil, r
	}
	o := &copyOp{dst: dst, src: src, width: w(22), height: w(23), depth: w(24), params: slices.Clone(b)}
	o.pack()
	return o, driver.Success
}

func (t *thread) Memcpy2DAsync(b []byte, s driver.Stream) driver.Result {
	o, r := t.d.parse2D(b)
	if r != driver.Success {
		return r
	}
	return t.copy(o, s)
}

func (t *thread) Memcpy2DUnaligned(b []byte) driver.Result {
	o, r := t.d.parse2D(b)
	if r != driver.Success {
		return r
	}
	return t.sync(o)
}

func (t *thread) Memcpy3DAsync(b []byte, s driver.Stream) driver.Result {
	o, r := t.d.parse3D(b)
	if r != driver.Success {
		return r
	}
	return t.copy(o, s)
}

func (t *thread) Memcpy3DPeerAsync(b []byte, s driver.Stream) driver.Result {
	return t.Memcpy3DAsync(b, s)
}
