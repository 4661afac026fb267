// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"os"
	"slices"
	"testing"

	"github.com/orion-vgpu/orion/tests/chain"
)

// relayed are the programs that say most about a channel without shared memory: those that copy in all the ways
// that there are, use pinned, mapped and managed memory, graphs, host functions, modules, several threads, or
// end in an error.
var relayed = []string{"allocations", "async_alloc", "bfs", "concurrent_streams", "cooperative_groups", "driver_contexts", "driver_copy_batch", "driver_graph", "driver_ipc",
	"driver_jit_log", "driver_launch", "driver_linker", "driver_memcpy", "driver_memset", "driver_pointers", "driver_streams", "driver_upload_fault", "driver_user_objects",
	"errors_memory", "events", "fork_before", "globals", "graph_capture", "graph_explicit", "graph_update", "host_callbacks",
	"host_register", "host_register_threads", "illegal_address", "interop", "kernel_assert", "kernel_printf", "kernel_printf_waits", "legacy_stream", "life", "managed_advice", "managed_list", "managed_variables", "matmul",
	"memcpy_2d", "memcpy_3d", "memcpy_kinds", "memset", "multi_gpu", "peer_copy", "per_thread_stream", "pinned_memory", "pinned_order",
	"pointer_attributes", "pthreads", "stream_wait_event", "streams", "thrust_algorithms"}

// TestRelayed runs programs on vGPUs that a relay reaches by TCP: those above, or all of them where
// ORION_TEST_RELAYED is "all".
func TestRelayed(t *testing.T) {
	programs, err := Programs("programs")
	if err != nil {
		t.Fatal(err)
	}
	versions := toolChains(t)
	c := chain.Start(t, chain.Options{GPUs: 2, MemoryMiB: 16384, VGPUCount: 32, RegionMiB: 512})
	env := c.EnvRelayed(c.StartRelay(t, "relay", c.Nodes[0].DataAddress(t)), "ORION_GMEM=512")
	for _, version := range versions {
		t.Run("cuda"+version, func(t *testing.T) {
			out := build(t, version)
			for _, p := range programs {
				if !slices.Contains(relayed, p.Name) && os.Getenv("ORION_TEST_RELAYED") != "all" {
					continue
				}
				linkages := p.Linkages()
				linkage := linkages[len(linkages)-1]
				t.Run(linkage+"/"+p.Name, func(t *testing.T) {
					t.Parallel()
					runProgram(t, p, out, linkage, env)
				})
			}
		})
	}
}
