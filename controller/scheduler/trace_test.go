// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pod is a program of the trace.
type pod struct {
	created, deleted int // seconds; deleted 0: never
	gpus, percent    int
}

func readTrace(tb testing.TB) []pod {
	tb.Helper()
	text, err := os.ReadFile("testdata/openb.csv")
	if err != nil {
		tb.Fatal(err)
	}
	var pods []pod
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var n [4]int
		for i, field := range strings.Split(strings.TrimSpace(line), ",") {
			if field == "" {
				continue
			}
			if n[i], err = strconv.Atoi(field); err != nil {
				tb.Fatalf("%q: %v", line, err)
			}
		}
		pods = append(pods, pod{n[0], n[1], n[2], n[3] / 10})
	}
	return pods
}

// cluster is a pool of nodes with so many GPUs each.
func cluster(nodes ...int) []GPU {
	var gpus []GPU
	for node, count := range nodes {
		for i := range count {
			g := empty(fmt.Sprintf("n%02d", node), i)
			g.VGPUCount, g.FreeVGPUs = 20, 20
			gpus = append(gpus, g)
		}
	}
	return gpus
}

type placer func([]GPU, Demand) ([]Placement, error)

// replay runs the trace on the GPUs, which it changes, and returns how many pods found a place. It checks
// after every step that nothing is given away twice, and at the end that all is back.
func replay(tb testing.TB, gpus []GPU, pods []pod, place placer) int {
	tb.Helper()
	at := map[string]*GPU{}
	for i := range gpus {
		at[where(&gpus[i])] = &gpus[i]
	}
	type ending struct {
		when       int
		placements []Placement
	}
	var running []ending
	endUntil := func(when int) {
		for len(running) > 0 && running[0].when <= when {
			for _, pl := range running[0].placements {
				g := at[where(&pl.GPU)]
				g.FreeBytes, g.FreeRatio, g.FreeVGPUs = g.FreeBytes+pl.MemoryBytes, g.FreeRatio+pl.RatioPercent, g.FreeVGPUs+1
			}
			running = running[1:]
		}
	}
	placed := 0
	for _, p := range pods {
		endUntil(p.created)
		got, err := place(gpus, p.demand())
		if err != nil {
			continue
		}
		placed++
		for _, pl := range got {
			g := at[where(&pl.GPU)]
			if pl.MemoryBytes > g.FreeBytes || pl.RatioPercent > g.FreeRatio || g.FreeVGPUs < 1 {
				tb.Fatalf("%v of %v is given away twice", pl, *g)
			}
			g.FreeBytes, g.FreeRatio, g.FreeVGPUs = g.FreeBytes-pl.MemoryBytes, g.FreeRatio-pl.RatioPercent, g.FreeVGPUs-1
		}
		if p.deleted == 0 {
			p.deleted = math.MaxInt
		}
		running = append(running, ending{p.deleted, got})
		slices.SortStableFunc(running, func(a, b ending) int { return cmp.Compare(a.when, b.when) })
	}
	endUntil(math.MaxInt)
	for _, g := range gpus {
		if g.FreeBytes != g.MemoryBytes || g.FreeRatio != 100 || g.FreeVGPUs != g.VGPUCount {
			tb.Fatalf("%v is not whole at the end", g)
		}
	}
	return placed
}

// demand is what a pod asks for; the trace tells of no GPU memory, which is taken to go with the compute.
func (p pod) demand() Demand {
	return Demand{VGPUs: p.gpus, RatioPercent: p.percent, MemoryBytes: uint64(p.percent) * 32768 / 100 * MiB}
}

// spread is the policy that Place is measured against: the emptiest GPUs first.
func spread(gpus []GPU, d Demand) ([]Placement, error) {
	byNode := map[string][]choice{}
	for _, g := range gpus {
		if memory, ratio := d.share(g); fits(g, memory, ratio) {
			byNode[g.Node] = append(byNode[g.Node], choice{Placement{g, memory, ratio}, -waste(g, memory, ratio), false})
		}
	}
	var best []choice
	for _, these := range byNode {
		slices.SortFunc(these, compareChoices)
		if len(these) >= d.VGPUs && (best == nil || compareChoices(these[0], best[0]) < 0) {
			best = these[:d.VGPUs]
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no place")
	}
	var placements []Placement
	for _, c := range best {
		placements = append(placements, c.Placement)
	}
	return placements, nil
}

// TestTrace replays a real cluster's load as it came and went, and then many windows of it with programs
// that stay until as much was asked for as the pool has. Best fit must find a place for more programs than
// spreading does.
func TestTrace(t *testing.T) {
	t.Parallel()
	pods := readTrace(t)
	nodes, gpus := []int{8, 8, 8, 4, 2, 2, 2, 2}, 36
	windows := [][]pod{pods}
	for start := 0; start+100 < len(pods); start += 20 {
		var staying []pod
		left := gpus * 100
		for _, p := range pods[start:] {
			if left -= p.gpus * p.percent; left < 0 {
				break
			}
			p.deleted = 0
			staying = append(staying, p)
		}
		windows = append(windows, staying)
	}
	asked, fit, spreading := 0, 0, 0
	for _, w := range windows {
		asked += len(w)
		fit += replay(t, cluster(nodes...), w, Place)
		spreading += replay(t, cluster(nodes...), w, spread)
	}
	t.Logf("of %d programs in %d windows on %d GPUs, best fit turns %d away, spreading %d", asked, len(windows), gpus, asked-fit, asked-spreading)
	if fit <= spreading {
		t.Errorf("best fit places %d programs, spreading %d", fit, spreading)
	}
}

func BenchmarkPlace(b *testing.B) {
	pods := readTrace(b)
	var gpus []GPU
	for n := range 128 {
		for i := range 8 {
			gpus = append(gpus, gpu(fmt.Sprintf("n%03d", n), i, uint64(n*i*37%32769), n*i*11%101, 2))
		}
	}
	i := 0
	for b.Loop() {
		p := pods[i%len(pods)]
		i++
		Place(gpus, Demand{VGPUs: p.gpus, RatioPercent: p.percent, Home: "n064"}) // refusals count too
	}
}
