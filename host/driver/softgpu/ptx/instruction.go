// SPDX-License-Identifier: Apache-2.0

package ptx

import "math"

// instruction reads a label, or an instruction with its guard and semicolon.
func (p *parser) instruction() error {
	in := Instr{Line: p.tok.line}
	if ok, err := p.accept("@"); err != nil {
		return err
	} else if ok {
		if in.Negate, err = p.accept("!"); err != nil {
			return err
		}
		name, err := p.ident()
		if err != nil {
			return err
		}
		in.Guard = p.resolve(name)
	}
	op, err := p.ident()
	if err != nil {
		return err
	}
	if p.is(":") && in.Guard == "" {
		return p.label(op)
	}
	in.Op = op
	for p.tok.kind == tokDot {
		in.Mods = append(in.Mods, p.tok.text)
		if err := p.advance(); err != nil {
			return err
		}
	}
	for !p.is(";") {
		o, err := p.operand(0)
		if err != nil {
			return err
		}
		in.Operands = append(in.Operands, o)
		if ok, err := p.accept(","); err != nil {
			return err
		} else if !ok {
			break
		}
	}
	p.body.Code = append(p.body.Code, in)
	return p.expect(";")
}

func (p *parser) label(name string) error {
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind != tokDot {
		if _, ok := p.body.Labels[name]; ok {
			return p.fail("label %s stands twice", name)
		}
		p.body.Labels[name] = len(p.body.Code)
		return nil
	}
	switch p.tok.text {
	case "branchtargets", "calltargets":
		if err := p.advance(); err != nil {
			return err
		}
		for {
			t, err := p.ident()
			if err != nil {
				return err
			}
			p.body.Targets[name] = append(p.body.Targets[name], t)
			if ok, err := p.accept(","); err != nil {
				return err
			} else if !ok {
				return p.expect(";")
			}
		}
	case "callprototype":
		return p.prototype(name)
	}
	p.body.Labels[name] = len(p.body.Code)
	return nil
}

func (p *parser) prototype(label string) (err error) {
	f := &Func{Name: label, Line: p.tok.line}
	if err = p.advance(); err != nil {
		return err
	}
	if p.is("(") {
		if f.Returns, err = p.params(); err != nil {
			return err
		}
	}
	if _, err = p.ident(); err != nil {
		return err
	}
	if p.is("(") {
		if f.Params, err = p.params(); err != nil {
			return err
		}
	}
	if err = p.tuning(f); err != nil {
		return err
	}
	p.body.Prototypes[label] = f
	return p.expect(";")
}

// operand reads one operand.
func (p *parser) operand(depth int) (o Operand, err error) {
	if depth > 3 {
		return o, p.fail("operands are nested too deeply")
	}
	switch {
	case p.is("["):
		return p.memory(depth)
	case p.is("{"):
		o.Kind = Vector
		o.Elems, err = p.list("{", "}", depth)
		return o, err
	case p.is("("):
		o.Kind = Group
		o.Elems, err = p.list("(", ")", depth)
		return o, err
	case p.is("!"):
		if err := p.advance(); err != nil {
			return o, err
		}
		o.Negate = true
		name, err := p.ident()
		o.Name = p.resolve(name)
		return o, err
	case p.is("-"):
		if err := p.advance(); err != nil {
			return o, err
		}
		o, err = p.operand(depth + 1)
		switch o.Kind {
		case Integer:
			o.Value = -o.Value
		case Single:
			o.Value ^= 1 << 31
		case Double:
			o.Value ^= 1 << 63
		default:
			return o, p.fail("minus before something that is no number")
		}
		return o, err
	}
	switch p.tok.kind {
	case tokInt:
		o.Kind, o.Value = Integer, p.tok.value
	case tokSingle:
		o.Kind, o.Value = Single, p.tok.value
	case tokDouble:
		o.Kind, o.Value = Double, p.tok.value
	case tokIdent:
		return p.name(depth)
	default:
		return o, p.fail("%q where an operand should be", p.tok.text)
	}
	return o, p.advance()
}

// name reads a register, symbol or label with what may follow it.
func (p *parser) name(depth int) (o Operand, err error) {
	if p.tok.text == "_" {
		o.Kind = Sink
		if err := p.advance(); err != nil {
			return o, err
		}
	} else {
		o.Name = p.resolve(p.tok.text)
		if err := p.advance(); err != nil {
			return o, err
		}
		if p.tok.kind == tokDot { // %tid.x, or an element of a vector register
			o.Name += "." + p.tok.text
			if err := p.advance(); err != nil {
				return o, err
			}
		}
		at, err := p.element(o.Name)
		if err != nil {
			return o, err
		}
		if o.Value, err = p.addend(); err != nil {
			return o, err
		}
		o.Value += at
	}
	if ok, err := p.accept("|"); err != nil || !ok {
		return o, err
	}
	second, err := p.operand(depth + 1)
	return Operand{Kind: Pair, Elems: []Operand{o, second}}, err
}

// element reads what may follow an array's name, [N], and returns where that element is, in bytes.
func (p *parser) element(array string) (uint64, error) {
	if ok, err := p.accept("["); err != nil || !ok {
		return 0, err
	}
	index, err := p.number()
	if err != nil {
		return 0, err
	}
	for _, vars := range [][]*Var{p.body.Vars, p.mod.Vars} {
		for _, v := range vars {
			if v.Name == array {
				return uint64(index) * uint64(v.Type.Size()), p.expect("]")
			}
		}
	}
	return 0, p.fail("%s is indexed and is no variable", array)
}

// addend reads any number of +N and -N.
func (p *parser) addend() (sum uint64, err error) {
	for p.is("+") || p.is("-") {
		negative := p.is("-")
		if err := p.advance(); err != nil {
			return 0, err
		}
		if ok, err := p.accept("-"); err != nil {
			return 0, err
		} else if ok {
			negative = !negative
		}
		if p.tok.kind != tokInt {
			return 0, p.fail("%q where an offset should be", p.tok.text)
		}
		if negative {
			sum -= p.tok.value
		} else {
			sum += p.tok.value
		}
		if err := p.advance(); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

func (p *parser) memory(depth int) (o Operand, err error) {
	o.Kind = Memory
	if err := p.advance(); err != nil {
		return o, err
	}
	inner, err := p.operand(depth + 1)
	if err != nil {
		return o, err
	}
	if inner.Kind != Ident && inner.Kind != Integer || inner.Negate {
		return o, p.fail("an address that is neither a name nor a number")
	}
	o.Name, o.Value = inner.Name, inner.Value
	for {
		ok, err := p.accept(",")
		if err != nil {
			return o, err
		}
		if !ok {
			return o, p.expect("]")
		}
		e, err := p.operand(depth + 1)
		if err != nil {
			return o, err
		}
		o.Elems = append(o.Elems, e)
	}
}

func (p *parser) list(open, shut string, depth int) (elems []Operand, err error) {
	if err := p.expect(open); err != nil {
		return nil, err
	}
	for !p.is(shut) {
		e, err := p.operand(depth + 1)
		if err != nil {
			return nil, err
		}
		elems = append(elems, e)
		if ok, err := p.accept(","); err != nil {
			return nil, err
		} else if !ok {
			break
		}
	}
	return elems, p.expect(shut)
}

// FloatBits returns the bits of a floating-point operand as a value of type t, which is F32 or F64; of any
// other type it returns the operand's own bits.
func FloatBits(o Operand, t Type) uint64 {
	switch {
	case o.Kind == Single && t == F64:
		return math.Float64bits(float64(math.Float32frombits(uint32(o.Value))))
	case o.Kind == Double && t == F32:
		return uint64(math.Float32bits(float32(math.Float64frombits(o.Value))))
	}
	return o.Value
}
