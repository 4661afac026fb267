// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/fatbin"
	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
	"github.com/orion-vgpu/orion/host/driver/softgpu/simt"
)

// linking is a link in progress: units of PTX that become one module.
type linking struct {
	id        uint64
	units     []string
	registers int // of a thread, at most; 0: no bound
}

// The image of a finished link is text like any PTX: after a bound of registers if it has one, with a mark between units.
const (
	registerMark = "// orion softgpu: registers "
	unitMark     = "\n// orion softgpu: next unit\n"
)

func (t *thread) LinkCreate(options []driver.JITOption) (driver.LinkState, driver.Result) {
	if _, r := t.context(); r != driver.Success {
		return 0, r
	}
	l := &linking{registers: registerBound(options)}
	l.id = t.d.handles.add(l)
	return driver.LinkState(l.id), driver.Success
}

func (t *thread) LinkAdd(h driver.LinkState, kind uint32, data []byte, name string, _ []driver.JITOption, log *driver.JITLog) driver.Result {
	const ptxInput, fatbinInput, objectInput, libraryInput = 1, 2, 3, 4
	l, r := find[*linking](t.d, h)
	if r != driver.Success {
		return r
	}
	images := [][]byte{data}
	switch kind {
	case ptxInput, fatbinInput:
	case objectInput, libraryInput:
		var err error
		if images, err = fatbin.Containers(data); err != nil {
			log.Error = fmt.Sprintf("link %s: %v", name, err)
			return driver.ErrorInvalidImage
		}
	default:
		return driver.ErrorNoBinaryForGpu
	}
	for _, image := range images {
		if _, r := t.d.parse(image, log); r != driver.Success {
			return r
		}
		text, err := fatbin.PTX(image, t.d.cfg.Capability)
		if err != nil {
			return driver.ErrorInvalidImage
		}
		l.units = append(l.units, text)
	}
	return driver.Success
}

func (t *thread) LinkComplete(h driver.LinkState, log *driver.JITLog) ([]byte, driver.Result) {
	l, r := find[*linking](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	if len(l.units) == 0 {
		return nil, driver.ErrorInvalidValue
	}
	text := strings.Join(l.units, unitMark)
	if l.registers > 0 {
		text = fmt.Sprintf("%s%d\n%s", registerMark, l.registers, text)
	}
	image := append([]byte(text), 0)
	ast, r := t.d.parse(image, log)
	if r != driver.Success {
		return nil, r
	}
	defined := map[string]bool{} // a unit may declare what it defines further down
	for _, f := range ast.Funcs {
		if f.Body != nil {
			defined[f.Name] = true
		}
	}
	for _, f := range ast.Funcs {
		// The device runtime (libcudadevrt), which nvcc adds to each link, calls into the driver. Kernels that use of
		// it what software GPUs do not have are refused at their launch.
		if !defined[f.Name] && !simt.Builtin(f.Name) && !systemCall(f.Name) {
			log.Error = fmt.Sprintf("link: no input defines the function %s", f.Name)
			return nil, driver.ErrorInvalidPTX
		}
	}
	return image, driver.Success
}

func (t *thread) LinkDestroy(h driver.LinkState) driver.Result {
	l, r := find[*linking](t.d, h)
	if r == driver.Success {
		t.d.handles.remove(l.id)
	}
	return r
}

// parseUnits reads PTX, of one unit or of those that were linked.
func parseUnits(text string) (*ptx.Module, error) {
	var all []*ptx.Module
	most := 0
	if bound, ok := strings.CutPrefix(text, registerMark); ok {
		bound, _, _ = strings.Cut(bound, "\n")
		most, _ = strconv.Atoi(bound) // 0 if a program has written something else there
	}
	for unit := range strings.SplitSeq(text, unitMark) {
		m, err := ptx.Parse(unit)
		if err != nil {
			return nil, err
		}
		boundRegisters(m, most)
		all = append(all, m)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return merge(all)
}

// separate gives the names that are local to one unit, and that another has too, names of their own.
func separate(units []*ptx.Module) {
	in := map[string]int{} // units that have a name
	local := make([]map[string]bool, len(units))
	for i, m := range units {
		local[i] = map[string]bool{}
		for _, v := range m.Vars {
			local[i][v.Name] = v.Local
		}
		for _, f := range m.Funcs {
			local[i][f.Name] = f.Local
		}
		for name := range local[i] {
			in[name]++
		}
	}
	for i, m := range units {
		to := map[string]string{}
		for name, is := range local[i] {
			if is && in[name] > 1 {
				to[name] = fmt.Sprintf("%s@%d", name, i) // no name in PTX has an @
			}
		}
		if len(to) > 0 {
			m.Rename(to)
		}
	}
}

// merge makes one unit of several. Two definitions of a name are an error unless one of them is weak.
func merge(units []*ptx.Module) (*ptx.Module, error) {
	separate(units)
	out := *units[0]
	out.Aliases = map[string]string{}
	out.Vars, out.Funcs = nil, nil
	vars, funcs := map[string]*ptx.Var{}, map[string]*ptx.Func{}
	for _, m := range units {
		for a, b := range m.Aliases {
			out.Aliases[a] = b
		}
		for _, v := range m.Vars {
			old := vars[v.Name]
			if old != nil && !v.Extern && !old.Extern && !v.Weak && !old.Weak {
				return nil, fmt.Errorf("link: %s is defined twice", v.Name)
			}
			if old == nil || old.Extern || old.Weak && !v.Extern {
				vars[v.Name] = v
			}
		}
		for _, f := range m.Funcs {
			old := funcs[f.Name]
			if old != nil && f.Body != nil && old.Body != nil && !f.Weak && !old.Weak {
				return nil, fmt.Errorf("link: %s is defined twice", f.Name)
			}
			if old == nil || old.Body == nil || old.Weak && f.Body != nil {
				funcs[f.Name] = f
			}
		}
	}
	for _, v := range vars {
		out.Vars = append(out.Vars, v)
	}
	for _, m := range units { // in the order of the sources
		for _, f := range m.Funcs {
			if funcs[f.Name] == f {
				out.Funcs = append(out.Funcs, f)
			}
		}
	}
	return &out, nil
}

// systemCall says whether a function's name is of those that the driver has for the device runtime.
func systemCall(name string) bool {
	return strings.HasPrefix(name, "cnp") || strings.HasPrefix(name, "__cuda_syscall_")
}
