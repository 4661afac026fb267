// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// Warp-level matrix products. Where a fragment keeps its elements is ours to say: lane l, element i of a
// matrix of n elements is number (l*n/32 + i) mod n in the order of rows; types of which programs get more
// elements than there are hold them more than once.

// shape is the size of a matrix product.
type shape struct{ m, n, k int }

var shapes = map[string]shape{"m16n16k16": {16, 16, 16}, "m32n8k16": {32, 8, 16}, "m8n32k16": {8, 32, 16},
	"m16n16k8": {16, 16, 8}, "m8n8k4": {8, 8, 4}}

// cell is how elements of a type are stored, and computed with as float64.
type cell struct {
	bits  int
	load  func(uint64) float64
	store func(float64) uint64
}

func floatCell(t ptx.Type) cell {
	f := formats[t]
	return cell{int(f.size), f.load, func(x float64) uint64 { return f.store(x, nearest) }}
}

// cells by type. Sums of small integers are exact in a float64, and wrap when they are stored.
var cells = map[ptx.Type]cell{
	ptx.F16: floatCell(ptx.F16), ptx.BF16: floatCell(ptx.BF16), ptx.F32: floatCell(ptx.F32),
	ptx.TF32: {32, func(v uint64) float64 { return float64(f32(tf32(v, toZero))) }, nil},
	ptx.F64:  {64, f64, bits64},
	ptx.S8:   {8, func(v uint64) float64 { return float64(int8(v)) }, nil},
	ptx.U8:   {8, func(v uint64) float64 { return float64(uint8(v)) }, nil},
	ptx.S32:  {32, func(v uint64) float64 { return float64(int32(v)) }, func(x float64) uint64 { return uint64(uint32(int64(x))) }},
}

// dims returns rows and columns of matrix a, b, c or d.
func (s shape) dims(matrix string) (rows, cols int) {
	switch matrix {
	case "a":
		return s.m, s.k
	case "b":
		return s.k, s.n
	}
	return s.m, s.n
}

// fragment is how a warp's registers hold a matrix.
type fragment struct {
	rows, cols int
	typ        ptx.Type
	bits       int // of an element
	regs       []int32
	layout     arrangement // nil: that of wmma
}

// per is the number of elements in a register.
func (f *fragment) per() int { return max(32/f.bits, 1) }

// at returns where lane and element index of the fragment are in the matrix, by number.
func (f *fragment) at(lane, i int) int {
	if f.layout != nil {
		row, col := f.layout(f, lane, i)
		return row*f.cols + col
	}
	n := f.rows * f.cols
	return (lane*(n/32) + i) % n
}

// mask is that of the bits of an element.
func (f *fragment) mask() uint64 { return ^uint64(0) >> (64 - f.bits) }

// read returns the matrix as its elements' bits.
func (f *fragment) read(w *warp) []uint64 {
	out := make([]uint64, f.rows*f.cols)
	for lane := range 32 {
		for i := range out[:len(out)/32] {
			v := w.regs[f.regs[i/f.per()]][lane] >> (i % f.per() * f.bits)
			out[f.at(lane, i)] = v & f.mask()
		}
	}
	return out
}

// write spreads a matrix over the registers.
func (f *fragment) write(w *warp, elements []uint64) {
	for r, slot := range f.regs {
		for lane := range 32 {
			var v uint64
			for i := range f.per() {
				v |= elements[f.at(lane, r*f.per()+i)%len(elements)] << (i * f.bits)
			}
			w.regs[slot][lane] = v
		}
	}
}

// matrixOp is a wmma instruction as its exec knows it.
type matrixOp struct {
	f          fragment // of a load or a store
	column     bool
	space      ptx.Space
	a, b, c, d fragment // of a product
	shape      shape
	saturate   bool // sums of integers
}

func (c *compiler) fragment(s shape, matrix string, t ptx.Type, o ptx.Operand, destination bool) fragment {
	rows, cols := s.dims(matrix)
	f := fragment{rows: rows, cols: cols, typ: t, bits: cells[t].bits}
	if cells[t].load == nil {
		c.unsupported()
	}
	want := rows * cols / 32 / f.per()
	if t == ptx.F16 && (matrix == "a" || matrix == "b") {
		want = 8
	}
	c.registers(&f, o, want, destination)
	return f
}

// registers notes which ones an operand names, of which there must be so many.
func (c *compiler) registers(f *fragment, o ptx.Operand, want int, destination bool) {
	if o.Kind != ptx.Vector || want == 0 || len(o.Elems) != want {
		c.unsupported()
	}
	for _, e := range o.Elems {
		if destination {
			f.regs = append(f.regs, c.dest(e))
		} else {
			f.regs = append(f.regs, c.value(e, typeOfBits[f.bits]))
		}
	}
}

// typeOfBits is the type of the registers that hold elements of so many bits.
var typeOfBits = map[int]ptx.Type{8: ptx.B32, 16: ptx.B32, 32: ptx.B32, 64: ptx.B64}

func translateWmma(c *compiler, m *mods) {
	m.ignore("sync", "aligned", "rn")
	x := &matrixOp{}
	op := m.one("load", "store", "mma")
	for name, s := range shapes {
		if m.has(name) {
			x.shape = s
		}
	}
	if x.shape.m == 0 || op == "" {
		c.unsupported()
	}
	if op == "mma" {
		layouts := make([]string, 0, 2)
		for _, l := range append([]string(nil), m.left...) {
			if l == "row" || l == "col" {
				layouts = append(layouts, l)
				m.has(l)
			}
		}
		var types []ptx.Type
		for t := m.typ(); t != ptx.NoType; t = m.typ() {
			types = append(types, t)
		}
		td, ta, tc := ptx.NoType, ptx.F16, ptx.NoType
		switch len(types) {
		case 2:
			td, tc = types[0], types[1]
		case 4:
			td, ta, tc = types[0], types[1], types[3]
		}
		if len(layouts) != 2 || len(c.in.Operands) != 4 || cells[td].store == nil {
			c.unsupported()
		}
		// Fragments are in the order of rows, however they were laid out in memory.
		x.d = c.fragment(x.shape, "d", td, c.operand(0), true)
		x.a = c.fragment(x.shape, "a", ta, c.operand(1), false)
		x.b = c.fragment(x.shape, "b", ta, c.operand(2), false)
		x.c = c.fragment(x.shape, "c", tc, c.operand(3), false)
		c.product(x)
		return
	}
	matrix := m.one("a", "b", "c", "d")
	x.column = m.one("row", "col") == "col"
	x.space = m.space()
	t := m.typ()
	fragmentAt, memoryAt := 0, 1
	in := instr{exec: execMatrixLoad, x: x, cache: c.cacheSlot()}
	if op == "store" {
		fragmentAt, memoryAt, in.exec = 1, 0, execMatrixStore
	}
	x.f = c.fragment(x.shape, matrix, t, c.operand(fragmentAt), op == "load")
	if op == "load" {
		in.ds = x.f.regs
	} else {
		in.ss = x.f.regs
	}
	in.a, in.imm = c.memory(c.operand(memoryAt))
	stride := x.f.cols
	if x.column {
		stride = x.f.rows
	}
	in.b = c.constant(uint64(stride))
	if len(c.in.Operands) == 3 {
		in.b = c.value(c.operand(2), ptx.U32)
	}
	c.add(in)
}

// product adds the instruction of a product whose fragments are known.
func (c *compiler) product(x *matrixOp) {
	in := instr{exec: execProduct, x: x, ds: x.d.regs}
	in.ss = append(append(append(in.ss, x.a.regs...), x.b.regs...), x.c.regs...)
	c.add(in)
}

// element returns the memory of an element of a matrix.
func (x *matrixOp) element(w *warp, in *instr, row, col int) unsafe.Pointer {
	first := firstLane(w.mask)
	if x.column {
		row, col = col, row
	}
	size := uint64(x.f.bits / 8)
	at := (uint64(row)*w.regs[in.b][first] + uint64(col)) * size
	return w.resolve(in, x.space, first, w.regs[in.a][first]+in.imm+at, size)
}

func (w *warp) wholeWarp() {
	if w.mask != fullMask {
		w.raise(IllegalInstruction, firstLane(w.mask), 0, "a matrix instruction without all lanes")
	}
}

// The registers of fragments are those of ds and ss, which were given their slots after translation.
func execMatrixLoad(w *warp, in *instr) {
	w.wholeWarp()
	x := in.x.(*matrixOp)
	f := x.f
	f.regs = in.ds
	elements := make([]uint64, f.rows*f.cols)
	for i := range elements {
		elements[i] = loadBits(x.element(w, in, i/f.cols, i%f.cols), uint64(f.bits/8))
	}
	f.write(w, elements)
}

func execMatrixStore(w *warp, in *instr) {
	w.wholeWarp()
	x := in.x.(*matrixOp)
	f := x.f
	f.regs = in.ss
	for i, v := range f.read(w) {
		storeBits(x.element(w, in, i/f.cols, i%f.cols), uint64(f.bits/8), v)
	}
}

func execProduct(w *warp, in *instr) {
	w.wholeWarp()
	x := in.x.(*matrixOp)
	a, b, c, d := x.a, x.b, x.c, x.d
	na, nb := len(a.regs), len(b.regs)
	a.regs, b.regs, c.regs, d.regs = in.ss[:na], in.ss[na:na+nb], in.ss[na+nb:], in.ds
	av, bv, cv := a.read(w), b.read(w), c.read(w)
	out := make([]uint64, len(cv))
	loadA, loadB, add, store := cells[a.typ].load, cells[b.typ].load, cells[c.typ].load, cells[d.typ].store
	for m := range x.shape.m {
		for n := range x.shape.n {
			sum := add(cv[m*x.shape.n+n])
			for k := range x.shape.k {
				sum = math.FMA(loadA(av[m*x.shape.k+k]), loadB(bv[k*x.shape.n+n]), sum)
			}
			if x.saturate {
				sum = min(max(sum, math.MinInt32), math.MaxInt32)
			}
			out[m*x.shape.n+n] = store(sum)
		}
	}
	d.write(w, out)
}
