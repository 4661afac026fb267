// SPDX-License-Identifier: Apache-2.0

package ptx

// declaration reads a variable or function of module scope, linkage first.
func (p *parser) declaration() error {
	var extern, weak, visible bool
	for p.tok.kind == tokDot {
		switch p.tok.text {
		case "extern":
			extern = true
		case "weak", "common":
			weak = true
		case "visible":
			visible = true
		case "entry", "func":
			n := len(p.mod.Funcs)
			entry := p.tok.text == "entry"
			err := p.function(entry, extern, weak)
			for _, f := range p.mod.Funcs[n:] {
				f.Local = !entry && !extern && !weak && !visible
			}
			return err
		default:
			vars, err := p.variables()
			if err != nil {
				return err
			}
			for _, v := range vars {
				v.Extern, v.Weak, v.Local = extern, weak, !extern && !weak && !visible
			}
			p.mod.Vars = append(p.mod.Vars, vars...)
			return p.expect(";")
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.fail("%q where a declaration should be", p.tok.text)
}

// variables reads .space [.align N] .type name[dims] [= init] {, name ...}, without the semicolon.
func (p *parser) variables() ([]*Var, error) {
	base, err := p.varType()
	if err != nil {
		return nil, err
	}
	var vars []*Var
	for {
		v := *base
		if err := p.varName(&v); err != nil {
			return nil, err
		}
		vars = append(vars, &v)
		if ok, err := p.accept(","); !ok {
			return vars, err
		}
	}
}

// varType reads what stands before a variable's name.
func (p *parser) varType() (*Var, error) {
	v := &Var{}
	for p.tok.kind == tokDot {
		word := p.tok.text
		if err := p.advance(); err != nil {
			return nil, err
		}
		if s, ok := ParseSpace(word); ok {
			if v.Space == Generic { // a later one describes what a pointer points to
				v.Space = s
			}
			continue
		}
		if t, ok := ParseType(word); ok {
			v.Type, v.Size = t, v.Size*t.Size()
			if v.Size == 0 {
				v.Size = t.Size()
			}
			continue
		}
		switch word {
		case "align":
			n, err := p.number()
			if err != nil {
				return nil, err
			}
			if n <= 0 || n&(n-1) != 0 || n > 1<<20 {
				return nil, p.fail("alignment %d", n)
			}
			if v.Align == 0 { // the second one describes what a pointer points to
				v.Align = n
			}
		case "v2", "v4", "v8":
			v.Size = int(word[1] - '0')
		case "ptr":
			if v.Align == 0 {
				v.Align = v.Size
			}
		case "attribute":
			if err := p.attribute(v); err != nil {
				return nil, err
			}
		default:
			return nil, p.fail("unknown directive .%s", word)
		}
	}
	if v.Type == NoType {
		return nil, p.fail("a variable without a type")
	}
	if v.Align == 0 {
		v.Align = max(v.Size, 1)
	}
	return v, nil
}

func (p *parser) attribute(v *Var) error {
	if err := p.expect("("); err != nil {
		return err
	}
	for !p.is(")") {
		if p.tok.kind == tokEnd {
			return p.fail("attributes do not end")
		}
		if p.tok.kind == tokDot && p.tok.text == "managed" {
			v.Managed = true
		}
		if p.tok.kind == tokInt && v.Managed {
			v.At = p.tok.value
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.advance()
}

func (p *parser) varName(v *Var) error {
	name, err := p.ident()
	if err != nil {
		return err
	}
	v.Name = name
	element := v.Size
	for p.is("[") {
		if err := p.advance(); err != nil {
			return err
		}
		if p.is("]") {
			v.Unsized = true
		} else {
			n, err := p.number()
			if err != nil {
				return err
			}
			if v.Size *= n; v.Size > maxVarBytes {
				return p.fail("%s is larger than 1 TiB", name)
			}
		}
		if err := p.expect("]"); err != nil {
			return err
		}
	}
	if ok, err := p.accept("="); err != nil {
		return err
	} else if ok {
		if err := p.initialiser(v, 0); err != nil {
			return err
		}
	}
	if v.Unsized {
		v.Size = len(v.Init) * element
	}
	return nil
}

func (p *parser) initialiser(v *Var, depth int) error {
	if depth > maxDepth {
		return p.fail("initialiser is nested too deeply")
	}
	ok, err := p.accept("{")
	if err != nil {
		return err
	}
	if !ok {
		return p.initElement(v)
	}
	for !p.is("}") {
		if err := p.initialiser(v, depth+1); err != nil {
			return err
		}
		if ok, err := p.accept(","); err != nil {
			return err
		} else if !ok {
			break
		}
	}
	return p.expect("}")
}

func (p *parser) initElement(v *Var) error {
	if len(v.Init) >= maxElems {
		return p.fail("initialiser is too long")
	}
	if p.tok.kind == tokInt {
		// 0xFF00(symbol) takes one byte of an address; a plain number has no parenthesis.
		value := p.tok.value
		if err := p.advance(); err != nil {
			return err
		}
		if ok, err := p.accept("("); err != nil {
			return err
		} else if ok {
			o, err := p.operand(0)
			if err != nil {
				return err
			}
			init, err := p.symbolInit(o)
			if err != nil {
				return err
			}
			for value != 0 && value&1 == 0 {
				value >>= 1
				init.Shift++
			}
			v.Init = append(v.Init, init)
			return p.expect(")")
		}
		v.Init = append(v.Init, Init{Value: value})
		return nil
	}
	o, err := p.operand(0)
	if err != nil {
		return err
	}
	switch o.Kind {
	case Integer:
		v.Init = append(v.Init, Init{Value: o.Value})
	case Single, Double:
		v.Init = append(v.Init, Init{Value: FloatBits(o, v.Type)})
	default:
		init, err := p.symbolInit(o)
		if err != nil {
			return err
		}
		if init.Symbol == "generic" && p.is("(") {
			if err := p.advance(); err != nil {
				return err
			}
			inner, err := p.operand(0)
			if err != nil {
				return err
			}
			if init, err = p.symbolInit(inner); err != nil {
				return err
			}
			init.Generic = true
			if err := p.expect(")"); err != nil {
				return err
			}
			add, err := p.addend()
			if err != nil {
				return err
			}
			init.Value += add
		}
		v.Init = append(v.Init, init)
	}
	return nil
}

func (p *parser) symbolInit(o Operand) (Init, error) {
	if o.Kind != Ident || o.Negate {
		return Init{}, p.fail("an initialiser that is neither number nor symbol")
	}
	return Init{Symbol: o.Name, Value: o.Value}, nil
}
