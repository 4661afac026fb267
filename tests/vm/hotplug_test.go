// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/tests/vm/machine"
)

// testHotplug has running guests opt in.
func testHotplug(t *testing.T, g *ground) {
	for _, m := range []string{"q35", "pc"} {
		t.Run(m, func(t *testing.T) {
			vm := bootDomain(t, g.host, machine.Domain{Image: g.image, Machine: m})
			vm.install(t)
			if s := vm.command(t, vm.gpu(t, client, "once")); s.Code == 0 || !strings.Contains(string(s.Stderr), "orion-check") {
				t.Errorf("a program in a guest without the device ended with %d; its log should say what to do:\n%s", s.Code, s.Stderr)
			}
			if out := g.enable(t, vm, "--size", "128MiB"); !strings.Contains(out, "its device is attached") {
				t.Errorf("vm enable says %q of a running guest", out)
			}
			vm.grant(t)
			vm.pass(t, client, "once")
			vm.check(t, "ivshmem device")
			vm.runPrograms(t, g.programs, "matmul", "kernel_printf", "pinned_memory")

			p := vm.begin(t, client, "until-error")
			out, err := g.oriond(t, "vm", "disable", vm.Name)
			if err != nil {
				t.Error(out, err)
			}
			if s := vm.end(t, p); s.Code != 3 {
				t.Errorf("the program ended with %d, want 3: an error of CUDA's\nstdout: %s\nstderr: %s", s.Code, s.Stdout, s.Stderr)
			}
			g.waitFree(t)
		})
	}
	t.Run("no bridge", func(t *testing.T) {
		vm := bootDomain(t, g.host, machine.Domain{Image: g.image, NoBridge: true})
		out, err := g.oriond(t, "vm", "enable", vm.Name)
		if err == nil || !strings.Contains(err.Error(), "pcie-to-pci-bridge") {
			t.Errorf("vm enable says %q, %v of a q35 machine without a bridge", out, err)
		}
		if !vm.Running(t.Context()) {
			t.Error("the guest does not run any more")
		}
	})
}
