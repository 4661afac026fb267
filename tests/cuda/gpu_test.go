// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"os"
	"strconv"
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
	most int      // GPUs that one program can have, 0 if as many as any asks for
}

// findGPU returns the GPU that ORION_TEST_ENV leads to, by default one of a pool
// that runs until the test ends. ORION_TEST_GPUS says how many GPUs one program
// can have there.
func findGPU(t *testing.T) gpu {
	t.Helper()
	most := 0
	if text := os.Getenv("ORION_TEST_GPUS"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil || most < 1 {
			t.Fatalf("ORION_TEST_GPUS=%s: want a number from 1", text)
		}
	}
	switch value := os.Getenv("ORION_TEST_ENV"); value {
	case "native":
		return gpu{env: os.Environ(), most: most}
	case "":
		c := chain.Start(t, chain.Options{GPUs: 2, MemoryMiB: 16384, VGPUCount: 32, RegionMiB: 512})
		return gpu{env: c.Env("ORION_GMEM=512"), soft: true, most: most}
	default:
		return gpu{env: append(os.Environ(), strings.Fields(value)...), most: most}
	}
}
