// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"fmt"
	"math"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// Matrix products whose fragments PTX lays out itself (mma, ldmatrix, stmatrix), as CUTLASS and Triton have them. All shapes
// follow one rule: a register holds 32 bits of a row of A or of a column of B, or one element if that is larger; lane l has
// row l/4 of each eight, and of a row the part that is number l%4 of four; registers count by rows of eight first.
// (PTX ISA, "Matrix Fragments for mma".)

// arrangement is where lane and element index of a fragment are in the matrix, as row and column.
type arrangement func(f *fragment, lane, i int) (row, col int)

func layoutA(f *fragment, lane, i int) (row, col int) {
	per, bands := f.per(), f.rows/8
	reg := i / per
	return lane/4 + 8*(reg%bands), (reg/bands*4+lane%4)*per + i%per
}

func layoutB(f *fragment, lane, i int) (row, col int) {
	per := f.per()
	return (i/per*4+lane%4)*per + i%per, lane / 4
}

func layoutC(_ *fragment, lane, i int) (row, col int) { return lane/4 + i/2*8, lane%4*2 + i%2 }

// mmaShape takes the shape of a product, of which n is 8.
func (m *mods) mmaShape() (s shape) {
	for _, name := range m.left {
		if n, _ := fmt.Sscanf(name, "m%dn%dk%d", &s.m, &s.n, &s.k); n == 3 {
			m.has(name)
			break
		}
	}
	if s.n != 8 || s.m != 8 && s.m != 16 || s.k < 4 || s.k > 32 {
		m.c.unsupported()
	}
	return s
}

func (c *compiler) mmaFragment(s shape, matrix string, t ptx.Type, o ptx.Operand, destination bool) fragment {
	rows, cols := s.dims(matrix)
	f := fragment{rows: rows, cols: cols, typ: t, bits: cells[t].bits, layout: layoutC}
	switch matrix {
	case "a":
		f.layout = layoutA
	case "b":
		f.layout = layoutB
	}
	if cells[t].load == nil || destination && cells[t].store == nil || s.k%(4*f.per()) != 0 {
		c.unsupported()
	}
	c.registers(&f, o, rows*cols/32/f.per(), destination)
	return f
}

func translateMma(c *compiler, m *mods) {
	m.ignore("sync", "aligned", "rn")
	x := &matrixOp{shape: m.mmaShape()}
	x.saturate = m.has("satfinite")
	var types [4]ptx.Type // of d, a, b and c
	for i := range types {
		types[i] = m.typ()
	}
	// The first shape of f16 was laid out otherwise.
	if !m.has("row") || !m.has("col") || len(c.in.Operands) != 4 || types[1] == ptx.F16 && x.shape.k == 4 {
		c.unsupported()
	}
	x.d = c.mmaFragment(x.shape, "d", types[0], c.operand(0), true)
	x.a = c.mmaFragment(x.shape, "a", types[1], c.operand(1), false)
	x.b = c.mmaFragment(x.shape, "b", types[2], c.operand(2), false)
	x.c = c.mmaFragment(x.shape, "c", types[3], c.operand(3), false)
	c.product(x)
}

// eight is the number of rows, and of 16-bit elements of a row, of the matrices that ldmatrix and stmatrix move.
const eight = 8

// eights is a ldmatrix or stmatrix as its exec knows it.
type eights struct {
	space ptx.Space
	trans bool
}

func translateEights(load bool) func(*compiler, *mods) {
	return func(c *compiler, m *mods) {
		m.ignore("sync", "aligned")
		x := &eights{trans: m.has("trans"), space: m.space()}
		if !m.has("m8n8") || m.typ() != ptx.B16 {
			c.unsupported()
		}
		n := map[string]int{"x1": 1, "x2": 2, "x4": 4}[m.one("x1", "x2", "x4")]
		registers, memory := c.operand(0), c.operand(1)
		in := instr{exec: execLoadEights, x: x, cache: c.cacheSlot()}
		if !load {
			registers, memory, in.exec = memory, registers, execStoreEights
		}
		f := fragment{bits: 32}
		c.registers(&f, registers, n, load)
		if load {
			in.ds = f.regs
		} else {
			in.ss = f.regs
		}
		in.a, in.imm = c.memory(memory)
		c.add(in)
	}
}

// place is which element of a matrix is number i of a lane's register.
func (x *eights) place(lane, i int) (row, col int) {
	row, col = lane/4, lane%4*2+i
	if x.trans {
		row, col = col, row
	}
	return row, col
}

// Eight lanes each name the rows of one matrix.
func execLoadEights(w *warp, in *instr) {
	w.wholeWarp()
	x := in.x.(*eights)
	for r, slot := range in.ds {
		var matrix [eight][eight]uint64
		for row := range eight {
			lane := r*eight + row
			for col := range eight {
				matrix[row][col] = loadBits(w.resolve(in, x.space, lane, w.regs[in.a][lane]+in.imm+uint64(2*col), 2), 2)
			}
		}
		for lane := range 32 {
			var v uint64
			for i := range 2 {
				row, col := x.place(lane, i)
				v |= matrix[row][col] << (16 * i)
			}
			w.regs[slot][lane] = v
		}
	}
}

func execStoreEights(w *warp, in *instr) {
	w.wholeWarp()
	x := in.x.(*eights)
	for r, slot := range in.ss {
		for lane := range 32 {
			for i := range 2 {
				row, col := x.place(lane, i)
				names := r*eight + row
				p := w.resolve(in, x.space, names, w.regs[in.a][names]+in.imm+uint64(2*col), 2)
				storeBits(p, 2, w.regs[slot][lane]>>(16*i)&math.MaxUint16)
			}
		}
	}
}
