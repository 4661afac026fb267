// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"bytes"
	"fmt"
	"os"

	"github.com/orion-vgpu/orion/host/driver"
)

var nodeNames = map[uint32]string{nodeMemcpy: "MEMCPY", nodeMemset: "MEMSET", nodeHost: "HOST", nodeGraph: "GRAPH", nodeEmpty: "EMPTY",
	nodeWait: "EVENT_WAIT", nodeRecord: "EVENT_RECORD", nodeMemAlloc: "MEM_ALLOC", nodeMemFree: "MEM_FREE",
	nodeBatchMem: "BATCH_MEM_OP", nodeConditional: "CONDITIONAL"}

// GraphDebugDotPrint draws a graph for graphviz, each graph within one of its nodes beside it. With any flag, kernels
// come with their shape.
func (t *thread) GraphDebugDotPrint(h driver.Graph, path string, flags uint32) driver.Result {
	g, r := find[*graph](t.d, h)
	if r != driver.Success {
		return r
	}
	var b bytes.Buffer
	b.WriteString("digraph dot {\n")
	t.d.graphs.Lock()
	g.draw(&b, flags != 0)
	t.d.graphs.Unlock()
	b.WriteString("}\n")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return driver.ErrorOperatingSystem
	}
	return driver.Success
}

func (g *graph) draw(b *bytes.Buffer, verbose bool) {
	fmt.Fprintf(b, "subgraph cluster_%d {\nlabel=\"graph_%d\";\n", g.id, g.id)
	for _, n := range g.nodes {
		label := nodeNames[n.op.kind()]
		if k, ok := n.op.(*kernelOp); ok {
			label = k.f.name
			if verbose {
				label += fmt.Sprintf("\\n<<<%v, %v, %d>>>", k.grid, k.block, k.asked)
			}
		}
		fmt.Fprintf(b, "\"node_%d\" [label=\"%s\"];\n", n.id, label)
	}
	for _, n := range g.nodes {
		for _, on := range n.on {
			fmt.Fprintf(b, "\"node_%d\" -> \"node_%d\";\n", on.id, n.id)
		}
	}
	b.WriteString("}\n")
	for _, n := range g.nodes {
		for _, inner := range within(n.op) {
			inner.draw(b, verbose)
		}
	}
}
