// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"os"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/tests/chain"
)

// lacking names the programs that need what the software GPU does not have, and
// says what that is. They run on real GPUs.
var lacking = map[string]string{}

// gpu is what the programs run on.
type gpu struct {
	env  []string // a program's environment
	soft bool     // a software GPU
}

// findGPU returns the GPU that ORION_TEST_ENV leads to, by default one of a pool
// that runs until the test ends.
func findGPU(t *testing.T) gpu {
	t.Helper()
	switch value := os.Getenv("ORION_TEST_ENV"); value {
	case "native":
		return gpu{env: os.Environ()}
	case "":
		c := chain.Start(t, chain.Options{GPUs: 2, MemoryMiB: 16384, VGPUCount: 32, RegionMiB: 512})
		return gpu{env: c.Env("ORION_GMEM=512"), soft: true}
	default:
		return gpu{env: append(os.Environ(), strings.Fields(value)...)}
	}
}
