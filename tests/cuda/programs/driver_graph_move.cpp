// SPDX-License-Identifier: Apache-2.0
//
// A child graph that its parent takes for its own (CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE, of CUDA 12.9): it runs with
// the parent, may be changed within it, and ends with it.
#include "driver.h"

#if CUDA_VERSION >= 12030
static CUresult add_moved(CUgraphNode *node, CUgraph graph, CUgraph child) {
    CUgraphNodeParams p = {};
    int move = 1;
    p.type = CU_GRAPH_NODE_TYPE_GRAPH;
    p.graph.graph = child;
    memcpy((char *)&p.graph.graph + sizeof child, &move, sizeof move); // ownership, which older headers do not name
#if CUDA_VERSION >= 13000
    return cuGraphAddNode(node, graph, nullptr, nullptr, 0, &p);
#else
    return cuGraphAddNode(node, graph, nullptr, 0, &p);
#endif
}

static CUgraphNode add_fill(CUgraph graph, CUcontext context, CUdeviceptr at, unsigned value) {
    CUgraphNode node;
    CUDA_MEMSET_NODE_PARAMS p = {};
    p.dst = at, p.value = value, p.elementSize = 4, p.width = 4, p.height = 1;
    CU(cuGraphAddMemsetNode(&node, graph, nullptr, 0, &p, context));
    return node;
}

static void run(CUgraphExec exec, CUstream s) {
    CU(cuGraphLaunch(exec, s));
    CU(cuStreamSynchronize(s));
}

int main() {
    CUcontext context = start();
    CUstream s;
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    CUdeviceptr d = device_ints(std::vector<int>(4, 0));
    std::vector<int> host(4, 0);

    // The child reads back what it has filled, into memory of the host that is not pinned.
    CUgraph parent, child, other;
    CUgraphNode node, copy, fill;
    CU(cuGraphCreate(&parent, 0));
    CU(cuGraphCreate(&child, 0));
    fill = add_fill(child, context, d, 5);
    CUDA_MEMCPY3D c = {};
    c.srcMemoryType = CU_MEMORYTYPE_DEVICE, c.srcDevice = d;
    c.dstMemoryType = CU_MEMORYTYPE_HOST, c.dstHost = host.data();
    c.WidthInBytes = 16, c.Height = c.Depth = 1;
    CU(cuGraphAddMemcpyNode(&copy, child, &fill, 1, &c, context));
    CUresult r = add_moved(&node, parent, child);
    int version;
    CU(cuDriverGetVersion(&version));
    if (r != CUDA_SUCCESS && version < 12090) SKIP("this driver has no graphs that move");
    EXPECT(r == CUDA_SUCCESS, "a graph that moves: %d", (int)r);
    CUgraph within;
    CU(cuGraphChildGraphNodeGetGraph(node, &within));
    EXPECT(within == child, "the node's graph is %p, not the one that was moved, %p", (void *)within, (void *)child);

    // It is the parent's now.
    CUgraphExec exec;
    CUgraphNode second;
    r = cuGraphInstantiateWithFlags(&exec, child, 0);
    EXPECT(r != CUDA_SUCCESS, "a graph that has moved can be instantiated");
    r = cuGraphDestroy(child);
    EXPECT(r != CUDA_SUCCESS, "a graph that has moved can be destroyed");
    CU(cuGraphCreate(&other, 0));
    r = add_moved(&second, other, child);
    EXPECT(r != CUDA_SUCCESS, "a graph can move twice");

    CU(cuGraphInstantiateWithFlags(&exec, parent, 0));
    run(exec, s);
    expect_same("the child's work", host, std::vector<int>(4, 5));

    // What changes in the child changes in the parent.
    CUDA_MEMSET_NODE_PARAMS p;
    CU(cuGraphMemsetNodeGetParams(fill, &p));
    p.value = 8;
    CU(cuGraphMemsetNodeSetParams(fill, &p));
    CUgraphExecUpdateResultInfo info;
    CU(cuGraphExecUpdate(exec, parent, &info));
    run(exec, s);
    expect_same("the changed child's work", host, std::vector<int>(4, 8));
    CU(cuGraphDestroy(parent));
    run(exec, s);
    CU(cuGraphExecDestroy(exec));

    // Handles that were the child's name others now, or nothing.
    for (int i = 0; i < 20; i++) {
        CUgraph again;
        CU(cuGraphCreate(&again, 0));
        add_fill(again, context, d, i);
        CU(add_moved(&node, other, again));
    }
    CU(cuGraphInstantiateWithFlags(&exec, other, 0));
    run(exec, s);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroyNode(node));
    CU(cuGraphDestroy(other));
    CU(cuStreamDestroy(s));
    return 0;
}
#else
int main() { SKIP("cuGraphAddNode came with CUDA 12.3"); }
#endif
