// SPDX-License-Identifier: Apache-2.0

// Package scheduler decides on which GPUs a program's vGPUs lie. It is pure: the same state and demand give
// the same placement.
//
// A GPU is cut into at most vgpu_count vGPUs, whose memory and compute quotas together stay within what the
// GPU has. The vGPUs of one program lie on GPUs of their own, since a program that asks for two devices
// expects two; and on one node, unless it asks for whole GPUs across nodes.
//
// Among the nodes that can take a program, the one where it runs comes first (its calls need no network),
// then the one that is left least fragmented. On a node, the fullest GPUs that fit are taken (best fit), so
// that large demands find empty ones later.
package scheduler

import (
	"cmp"
	"slices"
	"strings"
)

// MiB is the unit in which memory is asked for and granted.
const MiB = 1 << 20

// GPU is a GPU that takes vGPUs, and what is left of it.
type GPU struct {
	Node        string
	Index       int
	UUID        string
	MemoryBytes uint64
	VGPUCount   int // into how many vGPUs it is cut at most
	FreeBytes   uint64
	FreeRatio   int // percent
	FreeVGPUs   int
}

// Demand is what a program asks for. Fields are within bounds: at least one vGPU, a ratio from 0 to 100.
type Demand struct {
	VGPUs        int
	MemoryBytes  uint64 // of each; 0: the GPU's memory / VGPUCount
	RatioPercent int    // of each; 0: 100 / VGPUCount
	CrossNode    bool   // several nodes may take part
	Home         string // the node where the program runs
	LocalOnly    bool   // only Home may take part
}

// Placement is one vGPU on one GPU.
type Placement struct {
	GPU          GPU
	MemoryBytes  uint64
	RatioPercent int
}

// Place chooses a GPU for each vGPU. The error, if there is one, is a *Refusal.
func Place(gpus []GPU, d Demand) ([]Placement, error) {
	candidates := gpus
	if d.LocalOnly {
		candidates = slices.DeleteFunc(slices.Clone(gpus), func(g GPU) bool { return g.Node != d.Home })
	}
	var fitting []choice
	for _, g := range candidates {
		if memory, ratio := d.share(g); fits(g, memory, ratio) {
			fitting = append(fitting, choice{Placement{g, memory, ratio}, waste(g, memory, ratio), g.Node != d.Home})
		}
	}
	slices.SortFunc(fitting, compareChoices)
	best := bestNode(fitting, d.VGPUs)
	if best == nil && d.CrossNode && len(fitting) >= d.VGPUs {
		best = fitting[:d.VGPUs]
	}
	if best == nil {
		return nil, refuse(candidates, fitting, d)
	}
	placements := make([]Placement, len(best))
	for i, c := range best {
		placements[i] = c.Placement
	}
	return placements, nil
}

type choice struct {
	Placement
	waste  int
	remote bool
}

func compareChoices(a, b choice) int {
	return cmp.Or(compareBools(a.remote, b.remote), cmp.Compare(a.waste, b.waste),
		strings.Compare(a.GPU.Node, b.GPU.Node), cmp.Compare(a.GPU.Index, b.GPU.Index))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// bestNode returns the count best choices of the best node that has so many, or nil.
func bestNode(fitting []choice, count int) []choice {
	byNode := map[string][]choice{}
	var nodes []string
	for _, c := range fitting {
		if byNode[c.GPU.Node] == nil {
			nodes = append(nodes, c.GPU.Node)
		}
		byNode[c.GPU.Node] = append(byNode[c.GPU.Node], c)
	}
	slices.Sort(nodes)
	var best []choice
	least := 0
	for _, node := range nodes {
		if len(byNode[node]) < count {
			continue
		}
		these := byNode[node][:count]
		total := 0
		for _, c := range these {
			total += c.waste
		}
		if best == nil || compareBools(these[0].remote, best[0].remote) < 0 ||
			these[0].remote == best[0].remote && total < least {
			best, least = these, total
		}
	}
	return best
}

// share returns what each of the vGPUs takes of a GPU.
func (d Demand) share(g GPU) (memory uint64, ratio int) {
	memory, ratio = d.MemoryBytes, d.RatioPercent
	if memory == 0 && g.VGPUCount > 0 {
		memory = g.MemoryBytes / uint64(g.VGPUCount) / MiB * MiB
	}
	if ratio == 0 && g.VGPUCount > 0 {
		ratio = max(100/g.VGPUCount, 1)
	}
	return memory, ratio
}

func fits(g GPU, memory uint64, ratio int) bool {
	return g.FreeVGPUs > 0 && memory > 0 && memory <= g.FreeBytes && ratio > 0 && ratio <= g.FreeRatio
}

// waste says how much of a GPU is left unused beside a new vGPU, and how much of that is stranded, because
// the other of its two resources has run out sooner. In units of 0.01 % of the GPU.
func waste(g GPU, memory uint64, ratio int) int {
	const whole = 10000
	left := int(float64(g.FreeBytes-memory) / float64(g.MemoryBytes) * whole)
	compute := (g.FreeRatio - ratio) * (whole / 100)
	return left + compute + max(left-compute, compute-left)
}
