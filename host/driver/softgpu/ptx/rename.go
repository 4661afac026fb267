// SPDX-License-Identifier: Apache-2.0

package ptx

// Rename gives variables and functions of a unit other names, where they are declared and where they are used.
func (m *Module) Rename(to map[string]string) {
	rename := func(name *string) {
		if s, ok := to[*name]; ok {
			*name = s
		}
	}
	variables := func(vars []*Var) {
		for _, v := range vars {
			for i := range v.Init {
				rename(&v.Init[i].Symbol)
			}
		}
	}
	variables(m.Vars)
	for _, v := range m.Vars {
		rename(&v.Name)
	}
	aliases := map[string]string{}
	for a, b := range m.Aliases {
		rename(&a)
		rename(&b)
		aliases[a] = b
	}
	m.Aliases = aliases
	for _, f := range m.Funcs {
		rename(&f.Name)
		if f.Body == nil {
			continue
		}
		variables(f.Body.Vars)
		hidden := f.hidden()
		for i := range f.Body.Code {
			renameOperands(f.Body.Code[i].Operands, to, hidden)
		}
		for _, list := range f.Body.Targets {
			for i := range list {
				if !hidden(list[i]) {
					rename(&list[i])
				}
			}
		}
	}
}

// hidden says which names mean something of the function's own.
func (f *Func) hidden() func(name string) bool {
	own := map[string]bool{}
	for _, list := range [][]*Var{f.Params, f.Returns, f.Body.Vars} {
		for _, v := range list {
			own[v.Name] = true
		}
	}
	return func(name string) bool {
		_, label := f.Body.Labels[name]
		_, register := f.Body.Reg(name)
		return own[name] || label || register
	}
}

func renameOperands(list []Operand, to map[string]string, hidden func(string) bool) {
	for i := range list {
		o := &list[i]
		if s, ok := to[o.Name]; ok && !hidden(o.Name) {
			o.Name = s
		}
		renameOperands(o.Elems, to, hidden)
	}
}
