// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"fmt"
	"strings"
)

// Shortage is what was short.
type Shortage int

// What can be short.
const (
	GPUs   Shortage = iota + 1 // too few GPUs
	Memory                     // GPUs, but not the memory
	Ratio                      // GPUs with the memory, but not the compute
	VGPUs                      // all shares of the GPUs are taken
)

// Refusal says in words why a demand has no place.
type Refusal struct {
	Short Shortage
	Never bool // not even when nothing else ran
	Words string
}

func (r *Refusal) Error() string { return r.Words }

func refuse(gpus []GPU, fitting []choice, d Demand) *Refusal {
	if r := refuseCount(gpus, d); r != nil {
		return r
	}
	ask := asked(d)
	var widest, freest, idlest, open *GPU // of all; by free memory; by free compute; with a vGPU left
	var narrowed int                      // GPUs with a vGPU and the memory left
	for i := range gpus {
		g := &gpus[i]
		if widest == nil || g.MemoryBytes > widest.MemoryBytes {
			widest = g
		}
		if g.FreeVGPUs <= 0 {
			continue
		}
		open = g
		if freest == nil || g.FreeBytes > freest.FreeBytes {
			freest = g
		}
		memory, _ := d.share(*g)
		if memory > g.FreeBytes {
			continue
		}
		narrowed++
		if idlest == nil || g.FreeRatio > idlest.FreeRatio {
			idlest = g
		}
	}
	largeEnough := 0
	for _, g := range gpus {
		if d.MemoryBytes <= g.MemoryBytes {
			largeEnough++
		}
	}
	switch {
	case largeEnough == 0:
		return &Refusal{Memory, true, fmt.Sprintf("%s asked, the largest GPU has %d MiB (%s)", ask, widest.MemoryBytes/MiB, where(widest))}
	case open == nil:
		return &Refusal{VGPUs, false, fmt.Sprintf("%s asked, but every vGPU is taken: the GPUs %sare cut into %d each (vgpu_count)",
			ask, local(d), gpus[0].VGPUCount)}
	case narrowed == 0:
		if d.MemoryBytes == 0 {
			memory, _ := d.share(*freest)
			ask = fmt.Sprintf("%s of %d MiB (a GPU's memory / vgpu_count)", ask, memory/MiB)
		}
		return &Refusal{Memory, false, fmt.Sprintf("%s asked, the largest free is %d MiB on %s", ask, freest.FreeBytes/MiB, where(freest))}
	case len(fitting) == 0:
		_, ratio := d.share(*idlest)
		return &Refusal{Ratio, false, fmt.Sprintf("%s asked, each with %d %% of a GPU's compute, the most free is %d %% on %s",
			ask, ratio, idlest.FreeRatio, where(idlest))}
	}
	short := Memory
	if narrowed >= d.VGPUs {
		short = Ratio
	}
	return &Refusal{short, false, fmt.Sprintf("%s asked, each on a GPU of its own%s; %s", ask, oneNode(d), roomiest(fitting))}
}

// refuseCount refuses what the number of GPUs forbids whatever runs, or returns nil.
func refuseCount(gpus []GPU, d Demand) *Refusal {
	if len(gpus) == 0 {
		if d.LocalOnly {
			return &Refusal{GPUs, true, fmt.Sprintf("%s asked, but node %s has no GPU", asked(d), d.Home)}
		}
		return &Refusal{GPUs, true, fmt.Sprintf("%s asked, but no node with a GPU is in the pool", asked(d))}
	}
	count, most, node := map[string]int{}, 0, ""
	for _, g := range gpus {
		count[g.Node]++
		if n := count[g.Node]; n > most || n == most && g.Node < node {
			most, node = n, g.Node
		}
	}
	switch {
	case d.CrossNode && !d.LocalOnly && d.VGPUs > len(gpus):
		return &Refusal{GPUs, true, fmt.Sprintf("%s asked, each on a GPU of its own, but the pool has %s", asked(d), plural(len(gpus), "GPU"))}
	case (!d.CrossNode || d.LocalOnly) && d.VGPUs > most:
		hint := ""
		if !d.LocalOnly && d.VGPUs <= len(gpus) {
			hint = "; ORION_CROSS_NODE=1 with ORION_RATIO=100 takes whole GPUs of several nodes"
		}
		largest := "the largest node, " + node + ","
		if d.LocalOnly {
			largest = "node " + node
		}
		return &Refusal{GPUs, true, fmt.Sprintf("%s asked, each on a GPU of its own, but %s has %s%s", asked(d), largest, plural(most, "GPU"), hint)}
	}
	return nil
}

func asked(d Demand) string {
	if d.MemoryBytes == 0 {
		return plural(d.VGPUs, "vGPU")
	}
	return fmt.Sprintf("%s of %d MiB", plural(d.VGPUs, "vGPU"), d.MemoryBytes/MiB)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func where(g *GPU) string { return fmt.Sprintf("node %s GPU %d", g.Node, g.Index) }

func local(d Demand) string {
	if d.LocalOnly {
		return "of node " + d.Home + " "
	}
	return ""
}

func oneNode(d Demand) string {
	if d.CrossNode {
		return ""
	}
	return " on one node"
}

// roomiest names the GPUs that have room, at most four of them.
func roomiest(fitting []choice) string {
	var names []string
	for i := range fitting {
		if i == 4 {
			names = append(names, "...")
			break
		}
		names = append(names, where(&fitting[i].GPU))
	}
	if len(fitting) == 1 {
		return "only " + names[0] + " has room"
	}
	return "only these have room: " + strings.Join(names, ", ")
}
