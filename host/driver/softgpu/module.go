// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/fatbin"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
	"github.com/orion-vgpu/orion/host/driver/softgpu/simt"
)

// module is a PTX unit in a context, with its variables in the GPU's memory.
type module struct {
	ctx       *context
	id        uint64
	code      *simt.Module
	target    int32 // architecture of the PTX
	memory    []uint64
	mu        sync.Mutex
	functions map[string]*function

	references map[string]any // *texRef and *surfRef, by name
}

// function is a kernel of a module.
type function struct {
	m          *module
	id         uint64
	name       string
	dynamic    int32 // dynamic shared memory that it may use, in bytes
	carve      int32
	anyCluster int32 // 1: of more than the portable size
}

// library is a PTX unit without a context; it becomes a module in each context that uses it.
type library struct {
	d       *Driver
	id      uint64
	ast     *ptx.Module
	mu      sync.Mutex
	modules map[*context]*module
	kernels map[string]*kernel
}

// kernel is a kernel of a library.
type kernel struct {
	l    *library
	id   uint64
	name string
}

// parse reads an image. What is wrong goes to the log and to the caller's.
func (d *Driver) parse(image []byte, log *driver.JITLog) (*ptx.Module, driver.Result) {
	fail := func(err error, r driver.Result) (*ptx.Module, driver.Result) {
		d.log.Error("module refused", "reason", err, "result", r.Error())
		if log != nil {
			log.Error = err.Error()
		}
		return nil, r
	}
	text, err := fatbin.PTX(image, d.cfg.Capability)
	switch {
	case errors.Is(err, fatbin.ErrNoPTX):
		return fail(err, driver.ErrorNoBinaryForGpu)
	case err != nil:
		return fail(err, driver.ErrorInvalidImage)
	}
	ast, err := parseUnits(text)
	if err != nil {
		return fail(err, driver.ErrorInvalidPTX)
	}
	if n, err := d.target(ast); err != nil || n > d.cfg.Capability {
		return fail(fmt.Errorf("PTX is for %s, this GPU is an sm_%d", ast.Target[0], d.cfg.Capability), driver.ErrorNoBinaryForGpu)
	}
	return ast, driver.Success
}

// target is the architecture that PTX was made for, 80 for sm_80.
func (d *Driver) target(ast *ptx.Module) (int, error) {
	if len(ast.Target) == 0 {
		return d.cfg.Capability, nil
	}
	return strconv.Atoi(strings.TrimRight(strings.TrimPrefix(ast.Target[0], "sm_"), "abcdefghijklmnopqrstuvwxyz"))
}

// registerBound is how many registers options let a thread have, or 0.
func registerBound(options []driver.JITOption) int {
	const jitMaxRegisters = 0
	for _, o := range options {
		if o.ID == jitMaxRegisters && o.Value <= maxRegisters {
			return int(o.Value)
		}
	}
	return 0
}

// boundRegisters gives a unit's kernels a bound of registers, where they have none of their own. What a kernel takes here
// stays what it is: programs look whether the number that they are told keeps to the bound, and compute occupancy of it.
func boundRegisters(ast *ptx.Module, most int) {
	for _, f := range ast.Funcs {
		if f.MaxRegisters == 0 {
			f.MaxRegisters = most
		}
	}
}

// load makes a module of a unit in a context.
func (c *context) load(ast *ptx.Module, log *driver.JITLog) (*module, driver.Result) {
	c = c.home()
	target, _ := c.d.target(ast) // parse has looked
	m := &module{ctx: c, target: int32(target), functions: map[string]*function{}, references: map[string]any{}}
	var err error
	m.code, err = simt.NewModule(ast, func(v *ptx.Var) (uint64, error) {
		if v.Type.Opaque() {
			r, handle := c.d.newReference(v)
			m.references[v.Name] = r
			return handle, nil
		}
		if v.At != 0 { // in the client's memory
			if !c.d.space.Holds(v.At, uint64(max(v.Size, 1))) {
				return 0, fmt.Errorf("%w: no memory at %#x for %s", simt.ErrInvalid, v.At, v.Name)
			}
			return v.At, nil
		}
		a, err := c.dev.alloc(uint64(max(v.Size, 1)), mem.Range{Symbol: true, Managed: v.Managed})
		if err == nil {
			m.memory = append(m.memory, a)
		}
		return a, err
	})
	if err == nil {
		err = m.code.Check()
	}
	if err != nil {
		m.free()
		c.d.log.Error("module refused", "reason", err)
		if log != nil {
			log.Error = err.Error()
		}
		return nil, codeResult(err)
	}
	c.mu.Lock()
	c.modules[m] = struct{}{}
	c.mu.Unlock()
	m.id = c.d.handles.add(m)
	return m, driver.Success
}

func codeResult(err error) driver.Result {
	switch {
	case errors.Is(err, simt.ErrUnsupported):
		return driver.ErrorNotSupported
	case errors.Is(err, mem.ErrNoMemory):
		return driver.ErrorOutOfMemory
	}
	return driver.ErrorInvalidPTX
}

// free gives the variables' memory back.
func (m *module) free() {
	for _, a := range m.memory {
		m.ctx.dev.memory.Free(a)
	}
	m.memory = nil
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.id != 0 {
		m.ctx.d.handles.remove(m.id)
	}
	for _, f := range m.functions {
		m.ctx.d.handles.remove(f.id)
	}
	for _, handle := range m.handles() {
		m.ctx.d.handles.remove(handle)
	}
}

// function returns the module's kernel of a name.
func (m *module) function(name string) (*function, driver.Result) {
	if !m.code.HasKernel(name) {
		return nil, driver.ErrorNotFound
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.functions[name]
	if f == nil {
		f = &function{m: m, name: name, dynamic: sharedPerBlock, carve: -1}
		f.id = m.ctx.d.handles.add(f)
		m.functions[name] = f
	}
	return f, driver.Success
}

// program links the kernel when it is first needed.
func (f *function) program() (*simt.Program, driver.Result) {
	p, err := f.m.code.Program(f.name)
	if err != nil {
		f.m.ctx.d.log.Error("kernel refused", "reason", err)
		return nil, codeResult(err)
	}
	return p, driver.Success
}

func (t *thread) ModuleLoad(image []byte, options []driver.JITOption, log *driver.JITLog) (driver.Module, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	ast, r := t.d.parse(image, log)
	if r != driver.Success {
		return 0, r
	}
	boundRegisters(ast, registerBound(options))
	m, r := c.load(ast, log)
	if r != driver.Success {
		return 0, r
	}
	return driver.Module(m.id), driver.Success
}

func (t *thread) ModuleUnload(h driver.Module) driver.Result {
	m, r := find[*module](t.d, h)
	if r != driver.Success {
		return r
	}
	m.ctx.wait()
	m.ctx.mu.Lock()
	delete(m.ctx.modules, m)
	m.ctx.mu.Unlock()
	m.free()
	return driver.Success
}

func (t *thread) ModuleGetFunction(h driver.Module, name string) (driver.Function, driver.Result) {
	m, r := find[*module](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	f, r := m.function(name)
	if r != driver.Success {
		return 0, r
	}
	return driver.Function(f.id), driver.Success
}

func (t *thread) ModuleGetFunctionCount(h driver.Module) (uint32, driver.Result) {
	names, r := t.ModuleFunctionNames(h)
	return uint32(len(names)), r
}

func (t *thread) ModuleFunctionNames(h driver.Module) ([]string, driver.Result) {
	m, r := find[*module](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	return m.code.Kernels(), driver.Success
}

func (t *thread) ModuleGetGlobal(h driver.Module, name string) (driver.DevicePtr, uint64, driver.Result) {
	m, r := find[*module](t.d, h)
	if r != driver.Success {
		return 0, 0, r
	}
	s := m.code.Symbols[name]
	if s == nil {
		return 0, 0, driver.ErrorNotFound
	}
	return driver.DevicePtr(s.Addr), s.Bytes, driver.Success
}

func (t *thread) LibraryLoad(image []byte, options []driver.JITOption, log *driver.JITLog) (driver.Library, driver.Result) {
	ast, r := t.d.parse(image, log)
	if r != driver.Success {
		return 0, r
	}
	boundRegisters(ast, registerBound(options))
	l := &library{d: t.d, ast: ast, modules: map[*context]*module{}, kernels: map[string]*kernel{}}
	l.id = t.d.handles.add(l)
	return driver.Library(l.id), driver.Success
}

// module returns the library as a module of a context.
func (l *library) module(c *context) (*module, driver.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.modules[c]; m != nil {
		return m, driver.Success
	}
	m, r := c.load(l.ast, nil)
	if r == driver.Success {
		l.modules[c] = m
	}
	return m, r
}

func (t *thread) LibraryUnload(h driver.Library) driver.Result {
	l, r := find[*library](t.d, h)
	if r != driver.Success {
		return r
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, m := range l.modules {
		if !c.dead.Load() {
			t.ModuleUnload(driver.Module(m.id))
		}
	}
	for _, k := range l.kernels {
		t.d.handles.remove(k.id)
	}
	t.d.handles.remove(l.id)
	return driver.Success
}

func (t *thread) LibraryGetModule(h driver.Library) (driver.Module, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	l, r := find[*library](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	m, r := l.module(c)
	if r != driver.Success {
		return 0, r
	}
	return driver.Module(m.id), driver.Success
}

func (t *thread) LibraryGetKernel(h driver.Library, name string) (driver.Kernel, driver.Result) {
	l, r := find[*library](t.d, h)
	if r != driver.Success {
		return 0, r
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kernels[name]
	if k == nil {
		found := false
		for _, f := range l.ast.Funcs {
			found = found || f.Entry && f.Name == name
		}
		if !found {
			return 0, driver.ErrorNotFound
		}
		k = &kernel{l: l, name: name}
		k.id = t.d.handles.add(k)
		l.kernels[name] = k
	}
	return driver.Kernel(k.id), driver.Success
}

func (t *thread) LibraryKernelNames(h driver.Library) ([]string, driver.Result) {
	l, r := find[*library](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	var names []string
	for _, f := range l.ast.Funcs {
		if f.Entry {
			names = append(names, f.Name)
		}
	}
	return names, driver.Success
}

func (t *thread) LibraryGetKernelCount(h driver.Library) (uint32, driver.Result) {
	names, r := t.LibraryKernelNames(h)
	return uint32(len(names)), r
}

func (t *thread) LibraryGetGlobal(h driver.Library, name string) (driver.DevicePtr, uint64, driver.Result) {
	m, r := t.LibraryGetModule(h)
	if r != driver.Success {
		return 0, 0, r
	}
	return t.ModuleGetGlobal(m, name)
}

func (t *thread) LibraryGetManaged(h driver.Library, name string) (driver.DevicePtr, uint64, driver.Result) {
	return t.LibraryGetGlobal(h, name)
}

func (t *thread) KernelGetFunction(h driver.Kernel) (driver.Function, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	f, r := t.kernelIn(h, c)
	if r != driver.Success {
		return 0, r
	}
	return driver.Function(f.id), driver.Success
}

func (t *thread) kernelIn(h driver.Kernel, c *context) (*function, driver.Result) {
	k, r := find[*kernel](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	m, r := k.l.module(c)
	if r != driver.Success {
		return nil, r
	}
	return m.function(k.name)
}

// function returns what a function handle names; a kernel's handle may stand for a function's.
func (t *thread) function(h driver.Function) (*function, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return nil, r
	}
	if f, r := find[*function](t.d, h); r == driver.Success {
		return f, r
	}
	return t.kernelIn(driver.Kernel(h), c)
}
