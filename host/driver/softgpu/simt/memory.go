// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// access describes a load, a store or an atomic instruction to its exec.
type access struct {
	space  ptx.Space
	size   uint64 // bytes of an element
	typ    ptx.Type
	widths []uint64 // masks of the destinations' registers
}

// global returns the memory at a global address. The last range seen is tried first.
func (w *warp) global(in *instr, lane int, addr, size uint64) unsafe.Pointer {
	c := &w.caches[in.cache]
	if off := addr - c.lo; off >= c.size || size > c.size-off {
		r, ok := w.block.launch.Machine.Space.Find(addr)
		if !ok || size > r.Hi-addr {
			w.raise(IllegalAddress, lane, addr, "")
		}
		c.lo, c.size = r.Lo, r.Hi-r.Lo
	}
	if addr&(size-1) != 0 {
		w.raise(Misaligned, lane, addr, "")
	}
	return mem.Pointer(addr)
}

// within returns the memory at an offset in a buffer.
func (w *warp) within(b []byte, lane int, at, size uint64) unsafe.Pointer {
	if size > uint64(len(b)) || at > uint64(len(b))-size {
		w.raise(IllegalAddress, lane, at, "")
	}
	if at&(size-1) != 0 {
		w.raise(Misaligned, lane, at, "")
	}
	return unsafe.Pointer(&b[at])
}

// localMemory is the local memory of a lane.
func (w *warp) localMemory(lane int) []byte {
	return w.local[uint64(lane)*w.stride : uint64(lane+1)*w.stride]
}

// resolve returns the memory of size bytes that an address of a lane names in a state space.
func (w *warp) resolve(in *instr, space ptx.Space, lane int, addr, size uint64) unsafe.Pointer {
	switch space {
	case ptx.Shared:
		return w.within(w.block.shared, lane, uint64(uint32(addr)), size)
	case ptx.Local:
		return w.within(w.localMemory(lane), lane, uint64(uint32(addr)), size)
	case ptx.Param:
		return w.within(w.block.launch.Params, lane, addr, size)
	case ptx.Generic:
		switch addr >> windowBits << windowBits {
		case sharedWindow:
			return w.within(w.block.shared, lane, addr&offsetMask, size)
		case localWindow:
			return w.within(w.localMemory(lane), lane, addr&offsetMask, size)
		case paramWindow:
			return w.within(w.block.launch.Params, lane, addr&offsetMask, size)
		}
	}
	return w.global(in, lane, addr, size)
}

func loadBits(p unsafe.Pointer, size uint64) uint64 {
	switch size {
	case 1:
		return uint64(*(*uint8)(p))
	case 2:
		return uint64(*(*uint16)(p))
	case 4:
		return uint64(*(*uint32)(p))
	}
	return *(*uint64)(p)
}

func storeBits(p unsafe.Pointer, size, v uint64) {
	switch size {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 2:
		*(*uint16)(p) = uint16(v)
	case 4:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
}

// vector is the bytes of a load or store of one or more elements. A GPU moves up to 16 of them at once: programs put
// a value and its state into a vector, and count on others to see either both or none.
type vector [4]uint64

func (v *vector) load(p unsafe.Pointer, size uint64) {
	switch size {
	case 32:
		*(*[2]uint64)(v[2:]) = *(*[2]uint64)(unsafe.Add(p, 16))
		fallthrough
	case 16:
		*(*[2]uint64)(v[:2]) = *(*[2]uint64)(p) // one instruction
	default:
		v[0] = loadBits(p, size)
	}
}

func (v *vector) store(p unsafe.Pointer, size uint64) {
	switch size {
	case 32:
		*(*[2]uint64)(unsafe.Add(p, 16)) = *(*[2]uint64)(v[2:])
		fallthrough
	case 16:
		*(*[2]uint64)(p) = *(*[2]uint64)(v[:2])
	default:
		storeBits(p, size, v[0])
	}
}

// element is where element k lies.
func (v *vector) element(k int, size uint64) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(v), uint64(k)*size)
}

// execLoad is a load of one or more elements in any state space.
func execLoad(w *warp, in *instr) {
	x, a := in.x.(*access), &w.regs[in.a]
	total := x.size * uint64(len(in.ds))
	w.addr = *a // a destination may be the address register
	var whole vector
	for i := range w.addr {
		if w.mask>>i&1 == 0 {
			continue
		}
		whole.load(w.resolve(in, x.space, i, w.addr[i]+in.imm, total), total)
		for k, d := range in.ds {
			v := loadBits(whole.element(k, x.size), x.size)
			if x.typ.Signed() {
				v = extend(v, x.typ) & x.widths[k]
			}
			w.regs[d][i] = v
		}
	}
}

// execLoadGlobal and execLoadShared load one unsigned element. What lies in the range seen last is loaded
// without a call.
func execLoadGlobal[T uint8 | uint16 | uint32 | uint64](w *warp, in *instr) {
	d, a := w.dst(in), &w.regs[in.a]
	size := uint64(unsafe.Sizeof(T(0)))
	lo, n := w.caches[in.cache].within(size)
	for i := range d {
		if w.mask>>i&1 == 0 {
			continue
		}
		addr := a[i] + in.imm
		if addr-lo < n && addr&(size-1) == 0 {
			d[i] = uint64(*(*T)(mem.Pointer(addr)))
			continue
		}
		d[i] = uint64(*(*T)(w.global(in, i, addr, size)))
		lo, n = w.caches[in.cache].within(size)
	}
	w.commit(in)
}

// within returns the range of addresses at which size bytes lie in the cached range.
func (c *cacheLine) within(size uint64) (lo, n uint64) {
	if c.size < size {
		return c.lo, 0
	}
	return c.lo, c.size - size + 1
}

func execLoadShared[T uint8 | uint16 | uint32 | uint64](w *warp, in *instr) {
	d, a, b := w.dst(in), &w.regs[in.a], w.block.shared
	size := uint64(unsafe.Sizeof(T(0)))
	if uint64(len(b)) < size {
		w.raise(IllegalAddress, firstLane(w.mask), a[firstLane(w.mask)]+in.imm, "")
	}
	base, last := unsafe.Pointer(&b[0]), uint64(len(b))-size
	for i := range d {
		if at := uint64(uint32(a[i] + in.imm)); at <= last && at&(size-1) == 0 {
			d[i] = uint64(*(*T)(unsafe.Add(base, at)))
		} else if w.mask>>i&1 != 0 {
			w.within(b, i, at, size)
		}
	}
	w.commit(in)
}

// execLoadParam loads an element of a kernel's parameters, the same for all lanes.
func execLoadParam(w *warp, in *instr) {
	x := in.x.(*access)
	for k, d := range in.ds {
		v := loadBits(w.within(w.block.launch.Params, firstLane(w.mask), in.imm+uint64(k)*x.size, x.size), x.size)
		if x.typ.Signed() {
			v = extend(v, x.typ) & x.widths[k]
		}
		broadcast(w, d, v)
	}
}

func execStore(w *warp, in *instr) {
	x, a := in.x.(*access), &w.regs[in.a]
	total := x.size * uint64(len(in.ss))
	var whole vector
	for i := range a {
		if w.mask>>i&1 == 0 {
			continue
		}
		for k, s := range in.ss {
			storeBits(whole.element(k, x.size), x.size, w.regs[s][i])
		}
		whole.store(w.resolve(in, x.space, i, a[i]+in.imm, total), total)
	}
}

func execStoreGlobal[T uint8 | uint16 | uint32 | uint64](w *warp, in *instr) {
	a, s := &w.regs[in.a], &w.regs[in.b]
	size := uint64(unsafe.Sizeof(T(0)))
	lo, n := w.caches[in.cache].within(size)
	for i := range a {
		if w.mask>>i&1 == 0 {
			continue
		}
		addr := a[i] + in.imm
		if addr-lo < n && addr&(size-1) == 0 {
			*(*T)(mem.Pointer(addr)) = T(s[i])
			continue
		}
		*(*T)(w.global(in, i, addr, size)) = T(s[i])
		lo, n = w.caches[in.cache].within(size)
	}
}

func execStoreShared[T uint8 | uint16 | uint32 | uint64](w *warp, in *instr) {
	a, s, b := &w.regs[in.a], &w.regs[in.b], w.block.shared
	size := uint64(unsafe.Sizeof(T(0)))
	for i := range a {
		if w.mask>>i&1 == 0 {
			continue
		}
		if at := uint64(uint32(a[i] + in.imm)); at+size <= uint64(len(b)) && at&(size-1) == 0 {
			*(*T)(unsafe.Pointer(&b[at])) = T(s[i])
		} else {
			w.within(b, i, at, size) // raises
		}
	}
}

// cacheSlot reserves a place for the last range that an instruction saw.
func (c *compiler) cacheSlot() int32 {
	c.l.p.caches++
	return int32(c.l.p.caches - 1)
}

// hints takes modifiers that say how memory is to be cached.
func (m *mods) hints() {
	m.ignore("ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "weak", "unified")
	m.prefix("L1::")
	m.prefix("L2::")
}

// order takes modifiers of memory order; it says whether a loop may wait for another thread with it.
func (m *mods) order() bool {
	waits := m.one("volatile", "relaxed", "acquire", "release", "acq_rel", "mmio") != ""
	m.ignore("cta", "gpu", "sys", "cluster", "noftz")
	return waits
}

// where returns the state space of an address: a parameter of a function lies in its frame.
func (c *compiler) where(space ptx.Space, o ptx.Operand) ptx.Space {
	if space != ptx.Param {
		if space == ptx.Const {
			return ptx.Global
		}
		return space
	}
	if _, ok := c.frame[o.Name]; ok || !c.f.Entry {
		return ptx.Local
	}
	return ptx.Param
}

func (c *compiler) vector(m *mods, o ptx.Operand) []ptx.Operand {
	switch v := m.one("v2", "v4", "v8"); {
	case v == "":
		return []ptx.Operand{o}
	case o.Kind != ptx.Vector || len(o.Elems) != int(v[1]-'0'):
		c.invalid("not a vector of %s elements", v)
	}
	return o.Elems
}

func translateLd(c *compiler, m *mods) {
	m.hints()
	waits := m.order()
	address := c.operand(1)
	space := c.where(m.space(), address)
	elems := c.vector(m, c.operand(0))
	t := m.typ()
	x := &access{space: space, typ: t, size: uint64(t.Size())}
	if x.size == 0 || x.size > 8 || x.size*uint64(len(elems)) > 32 {
		c.unsupported()
	}
	in := instr{exec: execLoad, x: x, cache: c.cacheSlot()}
	in.a, in.imm = c.memory(address)
	for _, e := range elems {
		d := c.dest(e)
		in.ds = append(in.ds, d)
		x.widths = append(x.widths, c.width(d))
	}
	if waits {
		c.add(instr{exec: execSpin})
	}
	_, register := c.register(address.Name)
	single := len(elems) == 1 && !t.Signed()
	switch {
	case space == ptx.Param && !register:
		in.exec, in.a = execLoadParam, 0
	case single && space == ptx.Global:
		in.d, in.ds = in.ds[0], nil
		in.exec = pickSize(x.size, execLoadGlobal[uint8], execLoadGlobal[uint16], execLoadGlobal[uint32], execLoadGlobal[uint64])
	case single && space == ptx.Shared:
		in.d, in.ds = in.ds[0], nil
		in.exec = pickSize(x.size, execLoadShared[uint8], execLoadShared[uint16], execLoadShared[uint32], execLoadShared[uint64])
	case len(elems) == 1 && t == ptx.S32 && c.width(in.ds[0]) == 0xffffffff && space == ptx.Global:
		in.d, in.ds, in.exec = in.ds[0], nil, execLoadGlobal[uint32]
	case len(elems) == 1 && t == ptx.S32 && c.width(in.ds[0]) == 0xffffffff && space == ptx.Shared:
		in.d, in.ds, in.exec = in.ds[0], nil, execLoadShared[uint32]
	}
	c.add(in)
}

func pickSize(size uint64, f ...func(*warp, *instr)) func(*warp, *instr) {
	switch size {
	case 1:
		return f[0]
	case 2:
		return f[1]
	case 4:
		return f[2]
	}
	return f[3]
}

func translateSt(c *compiler, m *mods) {
	m.hints()
	m.order()
	address := c.operand(0)
	space := c.where(m.space(), address)
	elems := c.vector(m, c.operand(1))
	t := m.typ()
	x := &access{space: space, typ: t, size: uint64(t.Size())}
	if x.size == 0 || x.size > 8 || x.size*uint64(len(elems)) > 32 || space == ptx.Param {
		c.unsupported()
	}
	in := instr{exec: execStore, x: x, cache: c.cacheSlot()}
	in.a, in.imm = c.memory(address)
	for _, e := range elems {
		in.ss = append(in.ss, c.value(e, t))
	}
	if len(elems) == 1 && space == ptx.Global {
		in.b, in.ss = in.ss[0], nil
		in.exec = pickSize(x.size, execStoreGlobal[uint8], execStoreGlobal[uint16], execStoreGlobal[uint32], execStoreGlobal[uint64])
	} else if len(elems) == 1 && space == ptx.Shared {
		in.b, in.ss = in.ss[0], nil
		in.exec = pickSize(x.size, execStoreShared[uint8], execStoreShared[uint16], execStoreShared[uint32], execStoreShared[uint64])
	}
	c.add(in)
}

func execSpin(w *warp, _ *instr) { w.spin() }

// translateMov copies registers, addresses of variables, and packs and unpacks vectors.
func translateMov(c *compiler, m *mods) {
	t := m.typ()
	c.arity(2)
	d, s := c.operand(0), c.operand(1)
	if t == ptx.Pred {
		q, neg := c.sourcePred(s)
		c.add(instr{exec: execPredLogic, p: c.destPred(d), q: q, x: func(a, _ uint32) uint32 {
			if neg {
				return ^a
			}
			return a
		}})
		return
	}
	switch {
	case d.Kind == ptx.Vector:
		size := uint(t.Size() * 8 / max(len(d.Elems), 1))
		a := c.value(s, t)
		if size == 0 {
			c.unsupported()
		}
		in := instr{exec: execUnpack, a: a, n: int32(size)}
		for _, e := range d.Elems {
			in.ds = append(in.ds, c.dest(e))
		}
		c.add(in)
	case s.Kind == ptx.Vector:
		size := uint(t.Size() * 8 / max(len(s.Elems), 1))
		part := map[uint]ptx.Type{8: ptx.B8, 16: ptx.B16, 32: ptx.B32}[size]
		if part == ptx.NoType {
			c.unsupported()
		}
		in := instr{exec: execPack, d: c.dest(d), n: int32(size)}
		for _, e := range s.Elems {
			in.ss = append(in.ss, c.value(e, part))
		}
		c.add(in)
	default:
		c.add(instr{exec: execMov, d: c.dest(d), a: c.value(s, t)})
	}
}

func execMov(w *warp, in *instr) {
	if w.mask == fullMask {
		w.regs[in.d] = w.regs[in.a]
		return
	}
	w.tmp = w.regs[in.a]
	w.blend(in.d)
}

func execUnpack(w *warp, in *instr) {
	a := w.regs[in.a]
	mask := uint64(1)<<in.n - 1
	for k, slot := range in.ds {
		if slot == 0 {
			continue
		}
		d := &w.regs[slot]
		for i := range d {
			if w.mask>>i&1 != 0 {
				d[i] = a[i] >> (uint(k) * uint(in.n)) & mask
			}
		}
	}
}

func execPack(w *warp, in *instr) {
	var v lanes
	mask := uint64(1)<<in.n - 1
	for k, slot := range in.ss {
		s := &w.regs[slot]
		for i := range v {
			v[i] |= s[i] & mask << (uint(k) * uint(in.n))
		}
	}
	w.tmp = v
	w.blend(in.d)
}

// translateCvta converts between addresses of a state space and generic ones.
func translateCvta(c *compiler, m *mods) {
	to := m.has("to")
	space := m.space()
	t := m.typ()
	c.arity(2)
	window := map[ptx.Space]uint64{ptx.Shared: sharedWindow, ptx.Local: localWindow, ptx.Param: paramWindow}[space]
	o := c.operand(1)
	if c.where(space, o) == ptx.Local {
		window = localWindow
	}
	d, a := c.dest(c.operand(0)), c.value(o, t)
	if window == 0 {
		c.add(instr{exec: execMov, d: d, a: a})
		return
	}
	if to {
		window = -window
	}
	c.add(instr{exec: execAdd[uint64], d: d, a: a, b: c.constant(window)})
}

// translateIsspacep asks which state space a generic address is in.
func translateIsspacep(c *compiler, m *mods) {
	space := m.space()
	m.ignore("shared::cluster")
	c.arity(2)
	c.add(instr{exec: execTest, p: c.destPred(c.operand(0)), a: c.value(c.operand(1), ptx.B64), x: func(v uint64) bool {
		window := v >> windowBits << windowBits
		switch space {
		case ptx.Shared, ptx.Generic:
			return window == sharedWindow
		case ptx.Local:
			return window == localWindow
		case ptx.Param:
			return window == paramWindow
		case ptx.Const:
			return c.l.module.isConst(v)
		}
		return !c.l.module.isConst(v) && window != sharedWindow && window != localWindow && window != paramWindow
	}})
}

// nothing translates hints and fences: a block's threads share a goroutine, and blocks see one another's
// writes in the order that the processor keeps.
func nothing(_ *compiler, m *mods) { m.left = nil }
