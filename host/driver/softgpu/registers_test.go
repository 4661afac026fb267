// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"fmt"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
)

// TestMaxRegisters bounds the registers of kernels by options of a module and of a link; a bound of a kernel's own stays.
func TestMaxRegisters(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	body := "{\n.reg .b64 %a<64>;\n"
	for i := range 64 {
		body += fmt.Sprintf("mov.u64 %%a%d, %d;\n", i, i)
	}
	body += "ret;\n}\n"
	unit := []byte(".version 6.0\n.target sm_60\n.address_size 64\n.visible .entry free()\n" + body +
		".visible .entry bound()\n.maxnreg 24\n" + body + "\x00")
	options := []driver.JITOption{{ID: 0, Value: 38}}
	link := func(options []driver.JITOption) []byte {
		l, res := r.LinkCreate(options)
		r.ok(res)
		r.ok(r.LinkAdd(l, 1, unit, "unit", nil, &driver.JITLog{}))
		image, res := r.LinkComplete(l, &driver.JITLog{})
		r.ok(res)
		return image
	}
	for _, c := range []struct {
		what        string
		image       []byte
		options     []driver.JITOption
		free, bound int32
	}{
		{"no option", unit, nil, 64, 24},
		{"a module's option", unit, options, 38, 24},
		{"an option that bounds nothing", unit, []driver.JITOption{{ID: 0, Value: 1000}}, 64, 24},
		{"a link without", link(nil), nil, 64, 24},
		{"a link's option", link(options), nil, 38, 24},
	} {
		m, res := r.ModuleLoad(c.image, c.options, &driver.JITLog{})
		r.ok(res)
		for kernel, want := range map[string]int32{"free": c.free, "bound": c.bound} {
			got, res := r.FuncGetAttribute(4, r.function(m, kernel))
			r.ok(res)
			if got != want && (want != 64 || got < want) {
				t.Errorf("%s: %s takes %d registers, want %d", c.what, kernel, got, want)
			}
		}
	}
}
