// SPDX-License-Identifier: Apache-2.0

package ptx

import "strconv"

// function reads .entry or .func, from that word to the end of its body or the semicolon of a declaration.
func (p *parser) function(entry, extern, weak bool) (err error) {
	f := &Func{Entry: entry, Extern: extern, Weak: weak, Line: p.tok.line}
	if err = p.advance(); err != nil {
		return err
	}
	for p.tok.kind == tokDot { // .attribute(...) between .func and its name
		if p.tok.text != "attribute" {
			return p.fail("unknown directive .%s", p.tok.text)
		}
		if err = p.advance(); err != nil {
			return err
		}
		if err = p.attribute(&Var{}); err != nil {
			return err
		}
	}
	if p.is("(") {
		if f.Returns, err = p.params(); err != nil {
			return err
		}
	}
	if f.Name, err = p.ident(); err != nil {
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
	if p.is(";") {
		p.mod.Funcs = append(p.mod.Funcs, f)
		return p.advance()
	}
	if !p.is("{") {
		return p.fail("function %s has no body", f.Name)
	}
	p.body = &Body{Labels: map[string]int{}, Targets: map[string][]string{}, Prototypes: map[string]*Func{},
		exact: map[string]Type{}, prefix: map[string]RegDecl{}}
	p.scopes = nil
	for _, v := range append(append([]*Var{}, f.Params...), f.Returns...) {
		if v.Space == Reg {
			p.body.exact[v.Name] = v.Type
		}
	}
	if err = p.block(); err != nil {
		return err
	}
	f.Body, p.body = p.body, nil
	p.mod.Funcs = append(p.mod.Funcs, f)
	return nil
}

// params reads a list of parameters in parentheses.
func (p *parser) params() ([]*Var, error) {
	var vars []*Var
	if err := p.expect("("); err != nil {
		return nil, err
	}
	for !p.is(")") {
		v, err := p.varType()
		if err != nil {
			return nil, err
		}
		if err := p.varName(v); err != nil {
			return nil, err
		}
		vars = append(vars, v)
		if ok, err := p.accept(","); err != nil {
			return nil, err
		} else if !ok {
			break
		}
	}
	return vars, p.expect(")")
}

// tuning reads the performance directives after a function's parameters.
func (p *parser) tuning(f *Func) error {
	for p.tok.kind == tokDot {
		word := p.tok.text
		if err := p.advance(); err != nil {
			return err
		}
		switch word {
		case "maxntid", "reqntid", "reqnctapercluster":
			dims := [3]int{1, 1, 1}
			for i := range dims {
				n, err := p.number()
				if err != nil {
					return err
				}
				dims[i] = n
				if ok, err := p.accept(","); err != nil {
					return err
				} else if !ok {
					break
				}
			}
			switch word {
			case "maxntid":
				f.MaxThreads = dims
			case "reqntid":
				f.ReqThreads = dims
			}
		case "minnctapersm", "maxnctapersm", "maxnreg", "maxclusterrank":
			n, err := p.number()
			if err != nil {
				return err
			}
			if word == "maxnreg" {
				f.MaxRegisters = n
			}
		case "noreturn", "explicitcluster", "blocksareclusters":
		case "pragma":
			if err := p.skipTo(";"); err != nil {
				return err
			}
		default:
			return p.fail("unknown directive .%s", word)
		}
	}
	return nil
}

// block reads a scope in braces.
func (p *parser) block() error {
	if len(p.scopes) >= maxDepth {
		return p.fail("scopes are nested too deeply")
	}
	p.scopes = append(p.scopes, map[string]string{})
	if err := p.expect("{"); err != nil {
		return err
	}
	for !p.is("}") {
		if err := p.statement(); err != nil {
			return err
		}
	}
	p.scopes = p.scopes[:len(p.scopes)-1]
	return p.advance()
}

// declare makes a name of the innermost scope unique in the function and returns it so.
func (p *parser) declare(name string) string {
	u := name
	if len(p.scopes) > 1 {
		p.unique++
		u = name + "@" + strconv.Itoa(p.unique) + "_"
	}
	p.scopes[len(p.scopes)-1][name] = u
	return u
}

// resolve returns the unique form of a name, which may be that of a register within a declared range.
func (p *parser) resolve(name string) string {
	for i := len(p.scopes) - 1; i > 0; i-- {
		s := p.scopes[i]
		if u, ok := s[name]; ok {
			return u
		}
		end := len(name)
		for end > 0 && isDigit(name[end-1]) {
			end--
		}
		if u, ok := s[name[:end]+"<"]; ok && end < len(name) {
			return u + name[end:]
		}
	}
	return name
}

func (p *parser) statement() error {
	switch {
	case p.is("{"):
		return p.block()
	case p.is(";"):
		return p.advance()
	case p.tok.kind == tokDot:
		return p.bodyDirective()
	case p.tok.kind == tokEnd:
		return p.fail("the text ends within a function")
	}
	return p.instruction()
}

func (p *parser) bodyDirective() error {
	switch p.tok.text {
	case "reg":
		return p.registers()
	case "loc", "file":
		return p.skipLine()
	case "pragma":
		return p.skipTo(";")
	case "section":
		return p.skipBlock()
	case "branchtargets", "callprototype", "calltargets":
		return p.fail(".%s without a label", p.tok.text)
	}
	vars, err := p.variables()
	if err != nil {
		return err
	}
	for _, v := range vars {
		v.Name = p.declare(v.Name)
	}
	p.body.Vars = append(p.body.Vars, vars...)
	return p.expect(";")
}

func (p *parser) registers() error {
	base, err := p.varType()
	if err != nil {
		return err
	}
	for {
		name, err := p.ident()
		if err != nil {
			return err
		}
		d := RegDecl{Name: name, Type: base.Type}
		if p.is("<") {
			if err := p.advance(); err != nil {
				return err
			}
			if d.Count, err = p.number(); err != nil {
				return err
			}
			if err := p.expect(">"); err != nil {
				return err
			}
			p.regs += d.Count
			d.Name = p.declare(name + "<")
			d.Name = d.Name[:len(name)] + d.Name[len(name)+1:]
			p.scopes[len(p.scopes)-1][name+"<"] = d.Name
			p.body.prefix[d.Name] = d
		} else {
			p.regs++
			d.Name = p.declare(name)
			p.body.exact[d.Name] = d.Type
		}
		if p.regs > maxRegisters {
			return p.fail("more than %d registers", maxRegisters)
		}
		p.body.Regs = append(p.body.Regs, d)
		if ok, err := p.accept(","); err != nil {
			return err
		} else if !ok {
			return p.expect(";")
		}
	}
}
