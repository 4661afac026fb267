// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
)

// parts are the handles that end with others: functions and references with their module, kernels and modules with
// their library. The driver knows them by its own pointers, which mean nothing any more then.
type parts map[handle]map[handle]struct{}

// add notes that a handle is part of another.
func (p parts) add(part, of handle) {
	if p[of] == nil {
		p[of] = map[handle]struct{}{}
	}
	p[of][part] = struct{}{}
}

// end gives all that ends with a handle, and forgets it.
func (p parts) end(of handle, ended map[handle]struct{}) map[handle]struct{} {
	for part := range p[of] {
		ended[part] = struct{}{}
		p.end(part, ended)
	}
	delete(p, of)
	return ended
}

func moduleHandle(m driver.Module) handle   { return handle{uint64(m), cuda.KindModule} }
func libraryHandle(l driver.Library) handle { return handle{uint64(l), cuda.KindLibrary} }
func kernelHandle(k driver.Kernel) handle   { return handle{uint64(k), cuda.KindKernel} }

// ModuleGetFunction notes a part of a module.
func (g *guarded) ModuleGetFunction(m driver.Module, name string) (driver.Function, driver.Result) {
	f, r := g.API.ModuleGetFunction(m, name)
	if r == driver.Success {
		g.parts.add(handle{uint64(f), cuda.KindFunction}, moduleHandle(m))
	}
	return f, r
}

// ModuleGetTexRef notes a part of a module.
func (g *guarded) ModuleGetTexRef(m driver.Module, name string) (driver.TexRef, driver.Result) {
	t, r := g.API.ModuleGetTexRef(m, name)
	if r == driver.Success {
		g.parts.add(handle{uint64(t), cuda.KindTexRef}, moduleHandle(m))
	}
	return t, r
}

// ModuleGetSurfRef notes a part of a module.
func (g *guarded) ModuleGetSurfRef(m driver.Module, name string) (driver.SurfRef, driver.Result) {
	t, r := g.API.ModuleGetSurfRef(m, name)
	if r == driver.Success {
		g.parts.add(handle{uint64(t), cuda.KindSurfRef}, moduleHandle(m))
	}
	return t, r
}

// LibraryGetKernel notes a part of a library.
func (g *guarded) LibraryGetKernel(l driver.Library, name string) (driver.Kernel, driver.Result) {
	k, r := g.API.LibraryGetKernel(l, name)
	if r == driver.Success {
		g.parts.add(kernelHandle(k), libraryHandle(l))
	}
	return k, r
}

// LibraryGetModule notes a part of a library.
func (g *guarded) LibraryGetModule(l driver.Library) (driver.Module, driver.Result) {
	m, r := g.API.LibraryGetModule(l)
	if r == driver.Success {
		g.parts.add(moduleHandle(m), libraryHandle(l))
	}
	return m, r
}

// KernelGetFunction notes a part of a kernel.
func (g *guarded) KernelGetFunction(k driver.Kernel) (driver.Function, driver.Result) {
	f, r := g.API.KernelGetFunction(k)
	if r == driver.Success {
		g.parts.add(handle{uint64(f), cuda.KindFunction}, kernelHandle(k))
	}
	return f, r
}

// ModuleUnload ends the ids of a module's parts.
func (g *guarded) ModuleUnload(m driver.Module) driver.Result {
	r := g.API.ModuleUnload(m)
	if r == driver.Success {
		g.handles.forgetAll(g.parts.end(moduleHandle(m), map[handle]struct{}{}))
	}
	return r
}

// LibraryUnload ends the ids of a library's parts.
func (g *guarded) LibraryUnload(l driver.Library) driver.Result {
	r := g.API.LibraryUnload(l)
	if r == driver.Success {
		g.handles.forgetAll(g.parts.end(libraryHandle(l), map[handle]struct{}{}))
	}
	return r
}
