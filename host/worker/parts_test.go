// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
)

// loadedDriver has modules and libraries with one of each part.
type loadedDriver struct {
	driver.API
	refuse bool
}

func (d *loadedDriver) unload() driver.Result {
	if d.refuse {
		return driver.ErrorInvalidHandle
	}
	return driver.Success
}

func (*loadedDriver) ModuleGetFunction(m driver.Module, _ string) (driver.Function, driver.Result) {
	return driver.Function(m + 1), 0
}
func (*loadedDriver) LibraryGetKernel(l driver.Library, _ string) (driver.Kernel, driver.Result) {
	return driver.Kernel(l + 1), 0
}
func (*loadedDriver) LibraryGetModule(l driver.Library) (driver.Module, driver.Result) {
	return driver.Module(l + 2), 0
}
func (*loadedDriver) KernelGetFunction(k driver.Kernel) (driver.Function, driver.Result) {
	return driver.Function(k + 5), 0
}
func (d *loadedDriver) ModuleUnload(driver.Module) driver.Result   { return d.unload() }
func (d *loadedDriver) LibraryUnload(driver.Library) driver.Result { return d.unload() }

// The driver is not given functions and kernels whose module or library is gone.
func TestPartsEnd(t *testing.T) {
	t.Parallel()
	table, d := newHandleTable(), &loadedDriver{}
	g := newGuarded(d, table)
	valid := func(want bool, ids ...uint64) {
		t.Helper()
		for _, id := range ids {
			if kind := table.pages[0][id].kind; (kind != 0) != want {
				t.Errorf("id %d names something of kind %d", id, kind)
			}
		}
	}
	f, _ := g.ModuleGetFunction(100, "f")
	other, _ := g.ModuleGetFunction(200, "f")
	table.bind(20, cuda.KindFunction, uint64(f))
	table.bind(21, cuda.KindFunction, uint64(f)) // asked for twice
	table.bind(22, cuda.KindFunction, uint64(other))
	table.bind(23, cuda.KindEvent, uint64(f)) // another kind's handle of the same value
	d.refuse = true
	g.ModuleUnload(100)
	valid(true, 20, 21, 22, 23)
	d.refuse = false
	g.ModuleUnload(100)
	valid(false, 20, 21)
	valid(true, 22, 23)

	k, _ := g.LibraryGetKernel(300, "k")
	m, _ := g.LibraryGetModule(300)
	of, _ := g.KernelGetFunction(k)
	in, _ := g.ModuleGetFunction(m, "k")
	table.bind(30, cuda.KindKernel, uint64(k))
	table.bind(31, cuda.KindModule, uint64(m))
	table.bind(32, cuda.KindFunction, uint64(of))
	table.bind(33, cuda.KindFunction, uint64(in))
	g.LibraryUnload(300)
	valid(false, 30, 31, 32, 33)
	valid(true, 22)
	if len(g.parts) != 1 {
		t.Errorf("parts of %d things are remembered, want those of the module that is left", len(g.parts))
	}
}
