// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"os"
	"slices"
	"testing"

	"github.com/orion-vgpu/orion/tests/chain"
)

// TestRelayed runs programs of the newest tool chain on vGPUs that a relay reaches by TCP: those that say most, or all of
// them where ORION_TEST_RELAYED is "all".
func TestRelayed(t *testing.T) {
	programs, err := Programs("programs")
	if err != nil {
		t.Fatal(err)
	}
	all := os.Getenv("ORION_TEST_RELAYED") == "all"
	versions := toolChains(t)
	out := build(t, versions[len(versions)-1], !all)
	c := chain.Start(t, chain.Options{GPUs: 2, MemoryMiB: 16384, VGPUCount: 32, RegionMiB: 512})
	env := c.EnvRelayed(c.StartRelay(t, "relay", c.Nodes[0].DataAddress(t)), "ORION_GMEM=512")
	for _, p := range programs {
		if !all && !slices.Contains(telling, p.Name) {
			continue
		}
		linkages := p.Linkages()
		linkage := linkages[len(linkages)-1]
		t.Run(linkage+"/"+p.Name, func(t *testing.T) {
			t.Parallel()
			runProgram(t, p, out, linkage, env)
		})
	}
}
