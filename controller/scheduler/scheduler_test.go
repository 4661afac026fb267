// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// gpu is a GPU of 32768 MiB, four vGPUs at most, with so much free.
func gpu(node string, index int, freeMiB uint64, freeRatio, freeVGPUs int) GPU {
	return GPU{Node: node, Index: index, MemoryBytes: 32768 * MiB, VGPUCount: 4,
		FreeBytes: freeMiB * MiB, FreeRatio: freeRatio, FreeVGPUs: freeVGPUs}
}

func empty(node string, index int) GPU { return gpu(node, index, 32768, 100, 4) }

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		name   string
		gpus   []GPU
		demand Demand
		want   string
	}{
		{"default share", []GPU{empty("a", 0)}, Demand{VGPUs: 1}, "a/0:8192:25"},
		{"memory given, compute by default", []GPU{empty("a", 0)}, Demand{VGPUs: 1, MemoryBytes: 256 * MiB}, "a/0:256:25"},
		{"compute given, memory by default", []GPU{empty("a", 0)}, Demand{VGPUs: 1, RatioPercent: 60}, "a/0:8192:60"},
		{"all of a GPU", []GPU{empty("a", 0)}, Demand{VGPUs: 1, MemoryBytes: 32768 * MiB, RatioPercent: 100}, "a/0:32768:100"},
		{"the fuller GPU that fits", []GPU{empty("a", 0), gpu("a", 1, 16384, 50, 2), gpu("a", 2, 4096, 50, 2)}, Demand{VGPUs: 1}, "a/1:8192:25"},
		{"lowest index among equals", []GPU{empty("a", 1), empty("a", 0)}, Demand{VGPUs: 1}, "a/0:8192:25"},
		{"node by name among equals", []GPU{empty("b", 0), empty("a", 0)}, Demand{VGPUs: 1}, "a/0:8192:25"},
		{"home before better fit", []GPU{empty("b", 0), gpu("a", 0, 8192, 25, 1)}, Demand{VGPUs: 1, Home: "b"}, "b/0:8192:25"},
		{"elsewhere when home is full", []GPU{gpu("b", 0, 0, 0, 0), empty("a", 0)}, Demand{VGPUs: 1, Home: "b"}, "a/0:8192:25"},
		{"two on two GPUs", []GPU{empty("a", 0), empty("a", 1)}, Demand{VGPUs: 2}, "a/0:8192:25 a/1:8192:25"},
		{"two on one node", []GPU{gpu("a", 0, 8192, 25, 1), empty("b", 0), empty("b", 1)}, Demand{VGPUs: 2}, "b/0:8192:25 b/1:8192:25"},
		{"the node that fits best", []GPU{empty("a", 0), empty("a", 1), empty("b", 0), gpu("b", 1, 8192, 25, 1)}, Demand{VGPUs: 2}, "b/1:8192:25 b/0:8192:25"},
		{"across nodes", []GPU{empty("a", 0), empty("b", 0)}, Demand{VGPUs: 2, RatioPercent: 100, CrossNode: true, Home: "b"}, "b/0:8192:100 a/0:8192:100"},
		{"one node where it can", []GPU{empty("a", 0), empty("b", 0), empty("b", 1)}, Demand{VGPUs: 2, RatioPercent: 100, CrossNode: true, Home: "a"}, "b/0:8192:100 b/1:8192:100"},
		{"stranded compute is avoided", []GPU{gpu("a", 0, 16384, 100, 3), gpu("a", 1, 24576, 75, 3)},
			Demand{VGPUs: 1, MemoryBytes: 16384 * MiB, RatioPercent: 25}, "a/1:16384:25"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Place(c.gpus, c.demand)
			if err != nil {
				t.Fatal(err)
			}
			var words []string
			for _, p := range got {
				words = append(words, fmt.Sprintf("%s/%d:%d:%d", p.GPU.Node, p.GPU.Index, p.MemoryBytes/MiB, p.RatioPercent))
			}
			if s := strings.Join(words, " "); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	full := func(node string, i int) GPU { return gpu(node, i, 16384, 50, 0) }
	for _, c := range []struct {
		name   string
		gpus   []GPU
		demand Demand
		want   Refusal
	}{
		{"no pool", nil, Demand{VGPUs: 1}, Refusal{GPUs, true, "1 vGPU asked, but no node with a GPU is in the pool"}},
		{"no local GPU", []GPU{empty("a", 0)}, Demand{VGPUs: 1, Home: "b", LocalOnly: true}, Refusal{GPUs, true, "1 vGPU asked, but node b has no GPU"}},
		{"more than a node has", []GPU{empty("a", 0), empty("b", 0), empty("b", 1)}, Demand{VGPUs: 3},
			Refusal{GPUs, true, "3 vGPUs asked, each on a GPU of its own, but the largest node, b, has 2 GPUs; ORION_CROSS_NODE=1 with ORION_RATIO=100 takes whole GPUs of several nodes"}},
		{"more than the home has", []GPU{empty("a", 0), empty("b", 0), empty("b", 1)}, Demand{VGPUs: 2, Home: "a", LocalOnly: true},
			Refusal{GPUs, true, "2 vGPUs asked, each on a GPU of its own, but node a has 1 GPU"}},
		{"more than the pool has", []GPU{empty("a", 0), empty("b", 0)}, Demand{VGPUs: 3, CrossNode: true, RatioPercent: 100},
			Refusal{GPUs, true, "3 vGPUs asked, each on a GPU of its own, but the pool has 2 GPUs"}},
		{"more than any GPU has", []GPU{empty("a", 0)}, Demand{VGPUs: 1, MemoryBytes: 40960 * MiB},
			Refusal{Memory, true, "1 vGPU of 40960 MiB asked, the largest GPU has 32768 MiB (node a GPU 0)"}},
		{"memory", []GPU{gpu("a", 0, 10240, 100, 4), gpu("b", 0, 1024, 100, 4), gpu("b", 1, 20480, 100, 4)}, Demand{VGPUs: 2, MemoryBytes: 30720 * MiB},
			Refusal{Memory, false, "2 vGPUs of 30720 MiB asked, the largest free is 20480 MiB on node b GPU 1"}},
		{"memory of the default share", []GPU{gpu("a", 0, 1024, 50, 1)}, Demand{VGPUs: 1},
			Refusal{Memory, false, "1 vGPU of 8192 MiB (a GPU's memory / vgpu_count) asked, the largest free is 1024 MiB on node a GPU 0"}},
		{"compute", []GPU{gpu("a", 0, 16384, 20, 2), gpu("a", 1, 1024, 80, 2)}, Demand{VGPUs: 1, MemoryBytes: 2048 * MiB, RatioPercent: 50},
			Refusal{Ratio, false, "1 vGPU of 2048 MiB asked, each with 50 % of a GPU's compute, the most free is 20 % on node a GPU 0"}},
		{"shares", []GPU{full("a", 0), full("b", 0)}, Demand{VGPUs: 1}, Refusal{VGPUs, false, "1 vGPU asked, but every vGPU is taken: the GPUs are cut into 4 each (vgpu_count)"}},
		{"shares at home", []GPU{full("a", 0), empty("b", 0)}, Demand{VGPUs: 1, Home: "a", LocalOnly: true},
			Refusal{VGPUs, false, "1 vGPU asked, but every vGPU is taken: the GPUs of node a are cut into 4 each (vgpu_count)"}},
		{"one of two has the memory", []GPU{empty("a", 0), gpu("a", 1, 1024, 100, 4)}, Demand{VGPUs: 2, MemoryBytes: 2048 * MiB},
			Refusal{Memory, false, "2 vGPUs of 2048 MiB asked, each on a GPU of its own on one node; only node a GPU 0 has room"}},
		{"one of two has the compute", []GPU{empty("a", 0), gpu("a", 1, 4096, 10, 4)}, Demand{VGPUs: 2, MemoryBytes: 2048 * MiB},
			Refusal{Ratio, false, "2 vGPUs of 2048 MiB asked, each on a GPU of its own on one node; only node a GPU 0 has room"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Place(c.gpus, c.demand)
			var r *Refusal
			if !errors.As(err, &r) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if *r != c.want {
				t.Errorf("got  %+v\nwant %+v", *r, c.want)
			}
		})
	}
}

// TestPlaceInvariants asks at random and checks that what is placed fits, lies on distinct GPUs, and does
// not depend on the order in which GPUs are listed.
func TestPlaceInvariants(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	placed := 0
	for range 3000 {
		var gpus []GPU
		for n := range r.IntN(5) {
			for i := range 1 + r.IntN(4) {
				gpus = append(gpus, gpu(string(rune('a'+n)), i, r.Uint64N(32769), r.IntN(101), r.IntN(5)))
			}
		}
		d := Demand{VGPUs: 1 + r.IntN(4), MemoryBytes: r.Uint64N(4) * 8192 * MiB, RatioPercent: r.IntN(101),
			CrossNode: r.IntN(2) == 0, Home: "a", LocalOnly: r.IntN(4) == 0}
		got, err := Place(gpus, d)
		r.Shuffle(len(gpus), func(i, j int) { gpus[i], gpus[j] = gpus[j], gpus[i] })
		again, errAgain := Place(gpus, d)
		if (err == nil) != (errAgain == nil) || fmt.Sprint(got) != fmt.Sprint(again) {
			t.Fatalf("order matters: %v, %v; %v, %v", got, err, again, errAgain)
		}
		if err != nil {
			continue
		}
		placed++
		seen, nodes := map[string]bool{}, map[string]bool{}
		for _, p := range got {
			id := where(&p.GPU)
			if seen[id] || p.MemoryBytes == 0 || p.MemoryBytes > p.GPU.FreeBytes || p.RatioPercent > p.GPU.FreeRatio || p.GPU.FreeVGPUs < 1 {
				t.Fatalf("bad placement %+v of %+v", got, d)
			}
			seen[id], nodes[p.GPU.Node] = true, true
		}
		if len(got) != d.VGPUs || len(nodes) > 1 && (!d.CrossNode || d.LocalOnly) || d.LocalOnly && !nodes["a"] {
			t.Fatalf("bad placement %+v of %+v", got, d)
		}
	}
	if placed < 300 {
		t.Errorf("only %d demands were placed: the test tests little", placed)
	}
}
