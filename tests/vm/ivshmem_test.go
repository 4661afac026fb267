// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/tests/vm/machine"
)

// testIvshmem is what a user does: a domain opts in, the client is installed in its guest, and programs run. The way
// there is memory that guest and host share, and a handshake by TCP over QEMU's network.
func testIvshmem(t *testing.T, g *ground) {
	vm := define(t, g.host, machine.Domain{Image: g.image})
	if out := g.enable(t, vm); !strings.Contains(out, "from its next start on") {
		t.Errorf("vm enable says %q of a domain that does not run", out)
	}
	vm.boot(t)
	vm.install(t)
	g.waitAttached(t, vm)

	t.Run("check", func(t *testing.T) { vm.check(t, "ivshmem device") })
	t.Run("way", func(t *testing.T) {
		vm.pass(t, client, "once")
		if log := vm.ok(t, "sh", "-c", "cat /home/alice/.orion/log/*"); !strings.Contains(log, "ivshmem") {
			t.Errorf("the program's log does not name its way:\n%s", log)
		}
	})
	t.Run("stranger", func(t *testing.T) {
		c := vm.gpu(t, client, "once")
		c.Group = nil
		if s := vm.command(t, c); s.Code == 0 || !strings.Contains(string(s.Stderr), "group orion") {
			t.Errorf("the program of who is not in group orion ended with %d\nstderr: %s", s.Code, s.Stderr)
		}
	})
	t.Run("programs", func(t *testing.T) { vm.runPrograms(t, g.programs) })
	t.Run("host", func(t *testing.T) { testBesideHost(t, g, vm) })
	t.Run("killed", func(t *testing.T) { testKilled(t, g, vm) })
	t.Run("clock", func(t *testing.T) { testClock(t, g, vm) })
	t.Run("pause", func(t *testing.T) { testPause(t, g, vm) })
	t.Run("save", func(t *testing.T) { testSave(t, g, vm) })
	t.Run("reset", func(t *testing.T) { testReset(t, g, vm) })
	t.Run("destroy", func(t *testing.T) { testDestroy(t, g, vm) })
}

// check runs orion-check in the guest, which must find nothing wrong and name the way that programs take.
func (g guest) check(t *testing.T, way string) {
	t.Helper()
	s := g.command(t, g.gpu(t, "orion-check", "runtime", "client"))
	t.Logf("%s%s", s.Stdout, s.Stderr)
	if s.Code != 0 || !strings.Contains(string(s.Stdout), "programs reach vGPUs by "+way) {
		t.Errorf("orion-check ends with %d, want 0 and that programs come by %s", s.Code, way)
	}
}
