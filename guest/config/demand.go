// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strconv"

	"github.com/orion-vgpu/orion/proto/wire"
)

// Limits of what a program may ask for.
const (
	MaxVGPUs     = wire.MaxDevices
	MaxMemoryMiB = 1 << 24
)

// Demand is what a program asks of the pool, by its environment.
type Demand struct {
	VGPUs        int  // ORION_VGPU
	MemoryMiB    int  // ORION_GMEM, of each; 0: a GPU's memory / vgpu_count
	RatioPercent int  // ORION_RATIO, of each; 0: 100 / vgpu_count
	CrossNode    bool // ORION_CROSS_NODE: the vGPUs may lie on several nodes
}

// ReadDemand reads the environment through lookup (os.LookupEnv).
func ReadDemand(lookup func(string) (string, bool)) (Demand, error) {
	var d Demand
	if v, _ := lookup("ORION_VGPU"); v == "" {
		return d, fmt.Errorf("ORION_VGPU is not set: say how many vGPUs the program gets, such as ORION_VGPU=1")
	}
	for _, n := range []struct {
		name      string
		p         *int
		low, high int
	}{
		{"ORION_VGPU", &d.VGPUs, 1, MaxVGPUs},
		{"ORION_GMEM", &d.MemoryMiB, 1, MaxMemoryMiB},
		{"ORION_RATIO", &d.RatioPercent, 1, 100},
	} {
		v, _ := lookup(n.name)
		if v == "" {
			continue
		}
		i, err := strconv.Atoi(v)
		if err != nil || i < n.low || i > n.high {
			return Demand{}, fmt.Errorf("%s is %q: want a whole number from %d to %d", n.name, v, n.low, n.high)
		}
		*n.p = i
	}
	switch v, _ := lookup("ORION_CROSS_NODE"); v {
	case "", "0":
	case "1":
		d.CrossNode = true
	default:
		return Demand{}, fmt.Errorf("ORION_CROSS_NODE is %q: want 0 or 1", v)
	}
	if d.CrossNode && d.RatioPercent != 100 {
		return Demand{}, fmt.Errorf("ORION_CROSS_NODE=1 needs whole GPUs: set ORION_RATIO=100")
	}
	return d, nil
}
