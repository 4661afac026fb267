// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"fmt"
	"sync"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// maxShared is the shared memory that a block may have, in bytes.
const maxShared = 228 << 10

// Param is where a kernel's parameter lies in the parameter buffer, in bytes.
type Param struct{ Offset, Size int }

// Program is a kernel ready to run. It is safe for concurrent use.
type Program struct {
	Name        string
	Params      []Param
	ParamBytes  int
	SharedBytes int // static
	LocalBytes  int // of a thread, without calls whose depth is unknown
	ConstBytes  int
	Registers   int    // slots that a thread takes
	MaxRegs     int    // from .maxnreg or an option, zero without either
	MaxThreads  [3]int // from .maxntid or .reqntid, zero without them
	ReqThreads  [3]int

	module     *Module
	code       []instr
	lines      []int32 // of the PTX, by program counter
	entry      *function
	byNumber   map[int]*function // functions that can be called through a pointer
	caches     int
	localBytes int
	deep       bool // calls nest to a depth that is not known
	reserved   bool // the system's shared memory is used

	mu    sync.Mutex
	spare []*block
}

// function is a function linked into a program.
type function struct {
	name     string
	entry    int32 // program counter
	slots    int
	preds    int
	consts   []constant
	specials []special
	frame    uint64 // bytes of local memory
	params   []placed
	returns  []placed
}

type constant struct {
	slot  int32
	value uint64
}

// placed is a parameter or return value in a function's frame.
type placed struct{ offset, size int }

// linker builds one program.
type linker struct {
	module *Module
	p      *Program
	shared map[string]int // offsets of shared variables
	done   map[string]*function
	queue  []*ptx.Func
	depth  map[string]uint64
	calls  map[string][]string

	pointers bool // what pointers may point to is linked
}

func link(m *Module, name string) (p *Program, err error) {
	f := m.funcs[name]
	if f == nil || !f.Entry || f.Body == nil {
		return nil, fmt.Errorf("%w: no kernel %s", ErrInvalid, name)
	}
	l := &linker{module: m, p: &Program{Name: name, module: m, byNumber: map[int]*function{}, caches: 1,
		MaxThreads: f.MaxThreads, ReqThreads: f.ReqThreads, MaxRegs: f.MaxRegisters},
		shared: map[string]int{}, done: map[string]*function{}, calls: map[string][]string{}}
	for _, v := range f.Params {
		at := (l.p.ParamBytes + v.Align - 1) &^ (v.Align - 1)
		l.p.Params = append(l.p.Params, Param{at, v.Size})
		l.p.ParamBytes = at + v.Size
	}
	if l.p.ParamBytes > 32<<10 {
		return nil, fmt.Errorf("%w: %d bytes of parameters", ErrInvalid, l.p.ParamBytes)
	}
	l.p.entry = l.function(f)
	for len(l.queue) > 0 {
		f := l.queue[0]
		l.queue = l.queue[1:]
		if err := l.compile(f); err != nil {
			return nil, fmt.Errorf("link kernel %s: %w", name, err)
		}
	}
	if l.p.SharedBytes > maxShared {
		return nil, fmt.Errorf("link kernel %s: %w: %d bytes of shared memory", name, ErrInvalid, l.p.SharedBytes)
	}
	l.p.localBytes = int(l.stack(name, nil))
	l.p.LocalBytes = l.p.localBytes
	if l.p.localBytes > 512<<10 {
		return nil, fmt.Errorf("link kernel %s: %w: %d bytes of local memory", name, ErrInvalid, l.p.localBytes)
	}
	l.p.Registers = l.p.entry.slots
	return l.p, nil
}

// function returns the linked form of f, which is compiled later if it is new.
func (l *linker) function(f *ptx.Func) *function {
	fn := l.done[f.Name]
	if fn == nil {
		fn = &function{name: f.Name}
		l.done[f.Name] = fn
		l.queue = append(l.queue, f)
	}
	return fn
}

// pointerTargets links every function whose address a pointer may hold.
func (l *linker) pointerTargets() {
	if l.pointers {
		return
	}
	l.pointers, l.p.deep = true, true
	pointees := l.module.pointees()
	for n, name := range l.module.ids {
		if f := l.module.funcs[name]; pointees[name] && !f.Entry && f.Body != nil {
			l.p.byNumber[n] = l.function(f)
		}
	}
}

// pointees are the names whose addresses the module takes: those of its code other than targets of calls, and those
// in the values of its variables. (A module may hold a whole device runtime, of which nothing is called so.)
func (m *Module) pointees() map[string]bool {
	names := map[string]bool{}
	add := func(name string) {
		names[name] = true
		if target, ok := m.ast.Aliases[name]; ok {
			names[target] = true
		}
	}
	var operands func(list []ptx.Operand)
	operands = func(list []ptx.Operand) {
		for _, o := range list {
			add(o.Name)
			operands(o.Elems)
		}
	}
	for _, f := range m.funcs {
		if f.Body == nil {
			continue
		}
		for i := range f.Body.Code {
			if in := &f.Body.Code[i]; in.Op != "call" {
				operands(in.Operands)
			}
		}
	}
	for _, v := range m.vars {
		for _, init := range v.Init {
			add(init.Symbol)
		}
	}
	return names
}

// stack is the local memory that a function and the calls it makes need; recursion marks the program deep.
func (l *linker) stack(name string, above []string) uint64 {
	for _, a := range above {
		if a == name {
			l.p.deep = true
			return 0
		}
	}
	if len(above) > 256 {
		l.p.deep = true
		return 0
	}
	if l.depth == nil {
		l.depth = map[string]uint64{}
	}
	if d, ok := l.depth[name]; ok {
		return d
	}
	var most uint64
	for _, callee := range l.calls[name] {
		most = max(most, l.stack(callee, append(above, name)))
	}
	total := l.done[name].frame + most
	l.depth[name] = total
	return total
}

// sharedOffset places a shared variable in the program's shared memory.
func (l *linker) sharedOffset(v *ptx.Var) int {
	if at, ok := l.shared[v.Name]; ok {
		return at
	}
	at := (l.p.SharedBytes + v.Align - 1) &^ (v.Align - 1)
	l.shared[v.Name] = at
	l.p.SharedBytes = at + v.Size
	return at
}
