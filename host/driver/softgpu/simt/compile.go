// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"fmt"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// kind is what an instruction does to the flow of control.
type kind uint8

const (
	plain  kind = iota
	branch      // to targets, or on to the next if guarded
	leave       // ends the thread or the call
)

// vinstr is an instruction whose operands are virtual registers, numbered from 1.
type vinstr struct {
	instr
	line    int32
	kind    kind
	targets []int32 // indices into the function's instructions
}

// compiler turns one function into instructions.
type compiler struct {
	l    *linker
	f    *ptx.Func
	fn   *function
	in   *ptx.Instr
	out  []vinstr
	at   []int32 // first instruction of each of the source's
	next int32   // virtual register

	regs     map[string]int32
	types    map[int32]ptx.Type
	preds    map[string]int32
	consts   map[uint64]int32
	specials map[string]int32
	frame    map[string]int // offsets of variables in the frame
	params   map[string]int // offsets of a kernel's parameters
	locals   map[string]*ptx.Var
	guard    int32
	neg      bool
}

type compileError struct{ err error }

// translators by opcode.
var translators map[string]func(*compiler, *mods)

func (l *linker) compile(f *ptx.Func) (err error) {
	c := &compiler{l: l, f: f, fn: l.done[f.Name], regs: map[string]int32{}, types: map[int32]ptx.Type{},
		preds: map[string]int32{}, consts: map[uint64]int32{}, specials: map[string]int32{}, frame: map[string]int{},
		params: map[string]int{}, locals: map[string]*ptx.Var{}}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(compileError)
			if !ok { // a mistake of ours, which must not end the process that serves others' kernels too
				e.err = fmt.Errorf("line %d: %w: instruction %s: %v", c.in.Line, ErrUnsupported, c.in.Name(), r)
			}
			err = e.err
		}
	}()
	c.in = &ptx.Instr{Line: f.Line, Op: f.Name}
	c.place()
	for i := range f.Body.Code {
		c.in = &f.Body.Code[i]
		c.at = append(c.at, int32(len(c.out)))
		c.guard, c.neg = 0, c.in.Negate
		if c.in.Guard != "" {
			c.guard = c.predicate(c.in.Guard)
		}
		t := translators[c.in.Op]
		if t == nil && !unserved[c.in.Op] {
			c.invalid("unknown instruction %s", c.in.Name())
		} else if t == nil {
			c.unsupported()
		}
		m := &mods{c, append([]string(nil), c.in.Mods...)}
		t(c, m)
		m.end()
	}
	c.at = append(c.at, int32(len(c.out)))
	c.guard = 0
	c.emit(vinstr{kind: leave, instr: instr{exec: execRet}})
	for i := range c.out { // branches name instructions of the source so far
		for j, t := range c.out[i].targets {
			c.out[i].targets[j] = c.at[t]
		}
	}
	c.finish()
	return nil
}

// place gives the function's variables their offsets.
func (c *compiler) place() {
	size := 0
	put := func(v *ptx.Var) placed {
		size = (size + v.Align - 1) &^ (v.Align - 1)
		p := placed{size, v.Size}
		if size += v.Size; size > 1<<20 {
			c.invalid("%s needs more than 1 MiB of local memory", c.f.Name)
		}
		c.frame[v.Name] = p.offset
		return p
	}
	for i, v := range c.f.Params {
		if v.Space == ptx.Reg {
			c.invalid("parameters in registers")
		}
		if c.f.Entry {
			c.params[v.Name] = c.l.p.Params[i].Offset
		} else {
			c.fn.params = append(c.fn.params, put(v))
		}
	}
	for _, v := range c.f.Returns {
		if v.Space == ptx.Reg {
			c.invalid("return values in registers")
		}
		c.fn.returns = append(c.fn.returns, put(v))
	}
	for _, v := range c.f.Body.Vars {
		switch v.Space {
		case ptx.Local, ptx.Param:
			put(v)
		default:
			c.locals[v.Name] = v
		}
	}
	c.fn.frame = uint64(size+15) &^ 15
}

func (c *compiler) throw(kind error, format string, a ...any) {
	panic(compileError{fmt.Errorf("line %d: %w: %s", c.in.Line, kind, fmt.Sprintf(format, a...))})
}

func (c *compiler) unsupported() { c.throw(ErrUnsupported, "instruction %s", c.in.Name()) }

func (c *compiler) invalid(format string, a ...any) { c.throw(ErrInvalid, format, a...) }

// emit adds an instruction under the guard of the source's.
func (c *compiler) emit(v vinstr) {
	v.guard, v.neg, v.line = c.guard, c.neg, int32(c.in.Line)
	c.out = append(c.out, v)
}

func (c *compiler) add(in instr) { c.emit(vinstr{instr: in}) }

// operand i of the source's instruction.
func (c *compiler) operand(i int) ptx.Operand {
	if i >= len(c.in.Operands) {
		c.invalid("%s has %d operands", c.in.Name(), len(c.in.Operands))
	}
	return c.in.Operands[i]
}

// arity refuses an instruction with another number of operands.
func (c *compiler) arity(n int) {
	if len(c.in.Operands) != n {
		c.invalid("%s has %d operands, not %d", c.in.Name(), len(c.in.Operands), n)
	}
}

func (c *compiler) newReg(t ptx.Type) int32 {
	c.next++
	c.types[c.next] = t
	return c.next
}

// register returns the virtual register of a name.
func (c *compiler) register(name string) (int32, bool) {
	if r, ok := c.regs[name]; ok {
		return r, true
	}
	t, ok := c.f.Body.Reg(name)
	if !ok || t == ptx.Pred {
		return 0, false
	}
	if t.Size() > 8 {
		c.unsupported()
	}
	r := c.newReg(t)
	c.regs[name] = r
	return r, true
}

func (c *compiler) predicate(name string) int32 {
	if p, ok := c.preds[name]; ok {
		return p
	}
	if t, ok := c.f.Body.Reg(name); !ok || t != ptx.Pred {
		c.invalid("%s is no predicate", name)
	}
	p := int32(len(c.preds) + 1)
	c.preds[name] = p
	return p
}

// dest returns the register that an operand names as a destination, 0 for _.
func (c *compiler) dest(o ptx.Operand) int32 {
	if o.Kind == ptx.Sink {
		return 0
	}
	r, ok := c.register(o.Name)
	if o.Kind != ptx.Ident || !ok {
		c.invalid("%q is no register", o.Name)
	}
	return r
}

// destPred is dest for predicates.
func (c *compiler) destPred(o ptx.Operand) int32 {
	if o.Kind == ptx.Sink {
		return 0
	}
	return c.predicate(o.Name)
}

// sourcePred returns the predicate that an operand names, which may be a truth value, and its negation.
func (c *compiler) sourcePred(o ptx.Operand) (int32, bool) {
	if o.Kind == ptx.Integer { // slot 0 is always false
		return 0, o.Value != 0
	}
	return c.predicate(o.Name), o.Negate
}

// constant returns the register that holds a value.
func (c *compiler) constant(v uint64) int32 {
	r, ok := c.consts[v]
	if !ok {
		r = c.newReg(ptx.B64)
		c.consts[v] = r
	}
	return r
}

// width is the mask of the bits of a register's type.
func (c *compiler) width(r int32) uint64 { return typeMask(c.types[r]) }

func typeMask(t ptx.Type) uint64 {
	switch t.Size() {
	case 1:
		return 0xff
	case 2:
		return 0xffff
	case 4:
		return 0xffffffff
	}
	return ^uint64(0)
}

// value returns the register that holds a source operand of type t.
func (c *compiler) value(o ptx.Operand, t ptx.Type) int32 {
	switch o.Kind {
	case ptx.Integer:
		if t.Float() && t != ptx.F16x2 && t != ptx.BF16x2 && t != ptx.F16 && t != ptx.BF16 && o.Value != 0 {
			c.invalid("an integer where a float should be")
		}
		return c.constant(o.Value & typeMask(t))
	case ptx.Single, ptx.Double:
		return c.constant(ptx.FloatBits(o, t) & typeMask(t))
	case ptx.Ident:
		if o.Negate {
			break
		}
		if r, ok := c.register(o.Name); ok {
			if o.Value != 0 {
				break
			}
			return r
		}
		if r, ok := c.special(o.Name); ok {
			return r
		}
		return c.address(o.Name, o.Value)
	}
	c.invalid("an operand of %s is of the wrong kind", c.in.Name())
	return 0
}

// address returns a register that holds a symbol's address plus an offset.
func (c *compiler) address(name string, offset uint64) int32 {
	base, at := c.symbol(name)
	if base == 0 {
		return c.constant(at + offset)
	}
	r := c.newReg(ptx.B64)
	a, b := base, c.constant(at+offset)
	guard := c.guard
	c.guard = 0
	c.add(instr{exec: execAdd[uint64], d: r, a: a, b: b})
	c.guard = guard
	return r
}

// symbol returns the address of a symbol in its state space as a base register, 0 for none, and an offset.
func (c *compiler) symbol(name string) (base int32, at uint64) {
	if off, ok := c.frame[name]; ok {
		return c.frameBase(), uint64(off)
	}
	if off, ok := c.params[name]; ok {
		return 0, uint64(off)
	}
	v := c.locals[name]
	if v == nil {
		v = c.l.module.vars[name]
	}
	if v != nil && v.Space == ptx.Shared {
		if v.Extern || v.Unsized {
			return c.dynamicShared(), 0
		}
		return 0, uint64(c.l.sharedOffset(v))
	}
	if handle, ok := c.l.module.References[name]; ok && c.locals[name] == nil {
		return 0, handle
	}
	addr, ok := c.l.module.address(name)
	if !ok {
		if c.locals[name] != nil {
			c.throw(ErrUnsupported, "variable %s of a function", name)
		}
		c.invalid("%s is not defined", name)
	}
	return 0, addr
}

// memory returns base register and offset of a memory operand.
func (c *compiler) memory(o ptx.Operand) (base int32, offset uint64) {
	if o.Kind != ptx.Memory || len(o.Elems) > 0 {
		c.unsupported()
	}
	if o.Name == "" {
		return c.constant(0), o.Value
	}
	if r, ok := c.register(o.Name); ok {
		return r, o.Value
	}
	base, at := c.symbol(o.Name)
	if base == 0 {
		base = c.constant(0)
	}
	return base, at + o.Value
}
