// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// Windows of the generic address space. Everything else is global memory.
const (
	windowBits   = 40
	sharedWindow = 0x10 << windowBits
	localWindow  = 0x11 << windowBits
	paramWindow  = 0x12 << windowBits
	codeWindow   = 0x13 << windowBits // addresses of functions
	codeStep     = 16
	offsetMask   = 1<<windowBits - 1
)

// Symbol is a variable of module scope in device memory.
type Symbol struct {
	Name    string
	Addr    uint64
	Bytes   uint64
	Managed bool
}

// Module is a PTX unit with its variables in memory. It is safe for concurrent use.
type Module struct {
	Symbols map[string]*Symbol
	// References are the texture and surface references with their handles.
	References map[string]uint64
	ast        *ptx.Module
	vars       map[string]*ptx.Var
	funcs      map[string]*ptx.Func
	ids        []string       // functions by number
	numbers    map[string]int // and back
	spread     bool           // tests: every register has a slot of its own

	mu       sync.Mutex
	programs map[string]*Program
	errs     map[string]error
}

// NewModule places the variables of a unit with alloc, which returns zeroed or old memory, and initialises
// them. For a texture or surface reference alloc returns the handle that kernels are to use. Errors match ErrInvalid, ErrUnsupported or what alloc returned.
func NewModule(ast *ptx.Module, alloc func(v *ptx.Var) (uint64, error)) (*Module, error) {
	m := &Module{Symbols: map[string]*Symbol{}, References: map[string]uint64{}, ast: ast, vars: map[string]*ptx.Var{}, funcs: map[string]*ptx.Func{},
		numbers: map[string]int{}, programs: map[string]*Program{}, errs: map[string]error{}}
	if ast.AddressSize != 64 {
		return nil, fmt.Errorf("%w: %d-bit addresses", ErrUnsupported, ast.AddressSize)
	}
	for _, f := range ast.Funcs {
		if old := m.funcs[f.Name]; old == nil || old.Body == nil {
			m.funcs[f.Name] = f
		}
		if _, ok := m.numbers[f.Name]; !ok {
			m.numbers[f.Name] = len(m.ids)
			m.ids = append(m.ids, f.Name)
		}
	}
	for _, v := range ast.Vars {
		if old := m.vars[v.Name]; old != nil && !old.Extern {
			continue
		}
		m.vars[v.Name] = v
	}
	for name, v := range m.vars {
		if v.Space != ptx.Global && v.Space != ptx.Const || v.Extern {
			continue
		}
		addr, err := alloc(v)
		if err != nil {
			return nil, fmt.Errorf("place %s: %w", name, err)
		}
		if v.Type.Opaque() {
			m.References[name] = addr
			continue
		}
		m.Symbols[name] = &Symbol{Name: name, Addr: addr, Bytes: uint64(v.Size), Managed: v.Managed}
	}
	for name, s := range m.Symbols {
		if err := m.initialise(m.vars[name], mem.Bytes(s.Addr, s.Bytes)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Module) initialise(v *ptx.Var, to []byte) error {
	if v.Settled {
		return nil
	}
	v.Settled = v.At != 0
	clear(to)
	size := v.Type.Size()
	for i, init := range v.Init {
		if (i+1)*size > len(to) {
			return fmt.Errorf("%w: %s has more values than room", ErrInvalid, v.Name)
		}
		value := init.Value
		if init.Symbol != "" {
			addr, ok := m.address(init.Symbol)
			if !ok {
				return fmt.Errorf("%w: %s is initialised with the unknown %s", ErrInvalid, v.Name, init.Symbol)
			}
			value = (value + addr) >> init.Shift
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], value)
		copy(to[i*size:(i+1)*size], b[:])
	}
	return nil
}

// address is the value of a symbol of module scope other than a shared variable.
func (m *Module) address(name string) (uint64, bool) {
	if s := m.Symbols[name]; s != nil {
		return s.Addr, true
	}
	if n, ok := m.numbers[name]; ok {
		return codeWindow + uint64(n+1)*codeStep, true
	}
	if target, ok := m.ast.Aliases[name]; ok && target != name {
		return m.address(target)
	}
	return 0, false
}

// eagerInstructions is the size of modules whose kernels are all linked at once, in instructions of the source.
const eagerInstructions = 20_000

// Check links the kernels of a module that is not large, so that one that is no valid PTX is known at once.
// What is only unsupported is left for the launch to refuse. Errors match ErrInvalid.
func (m *Module) Check() error {
	total := 0
	for _, f := range m.funcs {
		if f.Body != nil {
			total += len(f.Body.Code)
		}
	}
	if total > eagerInstructions {
		return nil
	}
	for _, name := range m.Kernels() {
		if _, err := m.Program(name); errors.Is(err, ErrInvalid) {
			return err
		}
	}
	return nil
}

// isConst says whether an address is that of a constant variable.
func (m *Module) isConst(addr uint64) bool {
	for name, s := range m.Symbols {
		if addr-s.Addr < s.Bytes && m.vars[name].Space == ptx.Const {
			return true
		}
	}
	return false
}

// Kernels are the names of the kernels, sorted.
func (m *Module) Kernels() []string {
	var names []string
	for n, f := range m.funcs {
		if f.Entry {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// HasKernel says whether there is a kernel of that name.
func (m *Module) HasKernel(name string) bool {
	f := m.funcs[name]
	return f != nil && f.Entry
}

// Program links a kernel, once. Errors match ErrInvalid or ErrUnsupported and name what is wrong.
func (m *Module) Program(name string) (*Program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.programs[name]; ok {
		return p, m.errs[name]
	}
	p, err := link(m, name)
	m.programs[name], m.errs[name] = p, err
	return p, err
}
