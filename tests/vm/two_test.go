// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/vm/agent"
	"github.com/orion-vgpu/orion/tests/vm/machine"
)

const intruder = "/root/bin/vm-intruder"

// testTwo has two guests at once, with programs in both; then each tries to reach what belongs to the other.
func testTwo(t *testing.T, g *ground) {
	var vms [2]guest
	for i := range vms {
		vms[i] = define(t, g.host, machine.Domain{Image: g.image})
		g.enable(t, vms[i], "--size", "128MiB")
		vms[i].must(t, "start")
	}
	for _, vm := range vms {
		vm.connect(t)
		vm.install(t)
		g.waitAttached(t, vm)
	}
	t.Run("programs", func(t *testing.T) {
		var running [2]*agent.Process
		for i, vm := range vms {
			running[i] = vm.background(t, "3")
		}
		g.waitLeases(t, 2)
		for i, vm := range vms {
			vm.finishes(t, running[i])
		}
		g.waitFree(t)
	})
	t.Run("nonce", func(t *testing.T) {
		for i, vm := range vms {
			made := strings.TrimSpace(vm.ok(t, intruder, "claim", strings.Repeat("5a", 32)))
			zero := strings.TrimSpace(vm.ok(t, intruder, "claim", strings.Repeat("00", 32)))
			if !strings.HasPrefix(made, "600 ") || !strings.HasPrefix(zero, "600 ") {
				t.Errorf("claims by nonces of nobody's were answered with %q and %q", made, zero)
			}
			mine := strings.TrimSpace(vm.ok(t, intruder, "nonce"))
			other := strings.TrimSpace(vms[1-i].ok(t, intruder, "nonce"))
			if mine == other || len(mine) != 64 {
				t.Errorf("the guests have the nonces %s and %s", mine, other)
			}
			vm.ok(t, intruder, "claim", mine)
			if again := vm.ok(t, intruder, "claim", mine); !strings.HasPrefix(again, "600 ") {
				t.Errorf("a nonce that was used was answered with %q", again)
			}
		}
		g.waitFree(t)
	})
	t.Run("beyond", func(t *testing.T) {
		for _, vm := range vms {
			vm.ok(t, intruder, "beyond")
		}
	})
	t.Run("secret", func(t *testing.T) {
		// Left in pinned memory by a program that still runs, and in the guest's own by root.
		secret := fmt.Sprintf("orion-secret-of-%s", vms[0].Name)
		for i, want := range []string{"1", "0"} {
			if i == 0 {
				vms[0].ok(t, intruder, "write", hex.EncodeToString([]byte(secret)))
			}
			if out := strings.TrimSpace(vms[i].ok(t, intruder, "find", hex.EncodeToString([]byte(secret)))); out != want {
				t.Errorf("guest %d finds the secret of guest 0 %s times, want %s", i, out, want)
			}
		}
	})
	t.Run("scribble", func(t *testing.T) {
		evil, good := vms[0], vms[1]
		victim := evil.begin(t, client, "until-error")
		p := good.background(t, "6")
		g.waitLeases(t, 2)
		out := evil.ok(t, intruder, "scribble", "4s")
		t.Logf("in its own region the intruder has %s", out)
		good.finishes(t, p)
		if err := victim.Signal(t.Context(), 9); err != nil {
			t.Error(err)
		}
		g.waitFree(t)
		if !g.pool.Nodes[0].Running() {
			t.Fatal("oriond has ended")
		}
		good.pass(t, client, "once")
		// oriond writes the page anew for the next boot, not for who spoilt it.
		evil.must(t, "destroy")
		evil.boot(t)
		evil.install(t)
		chain.Within(t, "the intruder's guest has vGPUs after a fresh start", time.Minute, func() bool {
			return evil.command(t, evil.gpu(t, client, "once")).Code == 0
		})
	})
}
