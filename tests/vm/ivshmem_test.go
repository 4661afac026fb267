// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/vm/machine"
)

// TestIvshmem is what a user does: a domain opts in, the client is installed in its guest, and programs run. The way
// there is memory that guest and host share, and a handshake by TCP over QEMU's network.
func TestIvshmem(t *testing.T) {
	before := regions(t)
	g := startGround(t, chain.Options{GPUs: 2, MemoryMiB: 8192, VGPUCount: 8})
	vm := define(t, g.host, machine.Domain{Image: g.image, MemoryMiB: 768})
	out := g.enable(t, vm)
	if !strings.Contains(out, "from its next start on") {
		t.Errorf("vm enable says %q of a domain that does not run", out)
	}
	vm.boot(t)
	vm.install(t)

	t.Run("check", func(t *testing.T) {
		s := vm.command(t, vm.gpu(t, "orion-check", "runtime", "client"))
		t.Logf("%s%s", s.Stdout, s.Stderr)
		if s.Code != 0 {
			t.Errorf("orion-check ends with %d", s.Code)
		}
	})
	t.Run("programs", func(t *testing.T) { vm.runPrograms(t, g.programs) })
	t.Run("destroy", func(t *testing.T) {
		vm.begin(t, client, "until-error")
		vm.must(t, "destroy")
		t.Logf("vGPUs are free %v after virsh destroy", g.waitFree(t))
		for r := range regions(t) {
			if !before[r] {
				t.Errorf("the region %s is left", r)
			}
		}
	})
}
