// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/vm/agent"
)

// testTCP has no shared memory: orion-relay carries sessions to the host.
func testTCP(t *testing.T, g *ground) {
	vm := boot(t, g.host, g.image)
	vm.install(t)
	address := g.pool.Pool(t).Nodes[0].Node.DataAddress
	port := address[strings.LastIndex(address, ":")+1:]
	vm.put(t, "/etc/orion/client.conf", 0o644, fmt.Sprintf("[client]\nenable_net = true\nserver_addr = 10.0.2.2:%s\n", port))
	relay, err := vm.Start(t.Context(), agent.Command{Args: []string{"orion-relay", "run"}})
	if err != nil {
		t.Fatal(err)
	}
	chain.Within(t, "orion-relay listens", programTime, func() bool {
		if s, err := relay.Poll(t.Context()); err != nil || s.Done {
			t.Fatalf("orion-relay has ended with %d, %v\n%s%s", s.Code, err, s.Stdout, s.Stderr)
		}
		return vm.run(t, "test", "-S", "/run/orion/relay.sock").Code == 0
	})
	t.Run("check", func(t *testing.T) { vm.check(t, "orion-relay") })
	t.Run("programs", func(t *testing.T) {
		vm.runPrograms(t, g.programs, "matmul", "kernel_printf", "pinned_memory", "reduction", "graph_capture", "memcpy_kinds",
			"driver_memcpy", "host_callbacks", "pthreads", "thrust_algorithms")
	})
	t.Run("killed", func(t *testing.T) { testKilled(t, g, vm) })
	t.Run("lost", func(t *testing.T) {
		p := vm.begin(t, client, "until-error")
		g.waitLeases(t, 1)
		if err := relay.Signal(t.Context(), 9); err != nil {
			t.Fatal(err)
		}
		s, err := wait(t, p, 30*time.Second)
		if err != nil || s.Code != 3 {
			t.Errorf("without its relay the program ended with %d, %v; want 3, an error of CUDA's\nstderr: %s", s.Code, err, s.Stderr)
		}
		g.waitFree(t)
	})
}
