// SPDX-License-Identifier: Apache-2.0
//
// Why a graph cannot be instantiated, and for which of its nodes.
#include "driver.h"

#if CUDA_VERSION >= 12000
static CUgraphNode empty_node(CUgraph graph) {
    CUgraphNode n;
    CU(cuGraphAddEmptyNode(&n, graph, nullptr, 0));
    return n;
}

// Parameters whose results are wrong before the call.
static CUDA_GRAPH_INSTANTIATE_PARAMS params(cuuint64_t flags) {
    CUDA_GRAPH_INSTANTIATE_PARAMS p = {};
    p.flags = flags;
    p.hErrNode_out = (CUgraphNode)(uintptr_t)0x1234;
    p.result_out = (CUgraphInstantiateResult)77;
    return p;
}

int main() {
    CUcontext context = start();
    CUgraph graph;
    CUgraphExec exec;

    // Nothing is wrong.
    CU(cuGraphCreate(&graph, 0));
    CUgraphNode first = empty_node(graph), second = empty_node(graph);
    CUDA_GRAPH_INSTANTIATE_PARAMS p = params(0);
    CU(cuGraphInstantiateWithParams(&exec, graph, &p));
    EXPECT(p.result_out == CUDA_GRAPH_INSTANTIATE_SUCCESS && !p.hErrNode_out, "success is %d, of node %p", p.result_out, (void *)p.hErrNode_out);
    CU(cuGraphExecDestroy(exec));

    // Nodes that wait for each other have no order.
    CUgraphNode from[] = {first, second}, to[] = {second, first};
#if CUDA_VERSION >= 13000
    CUresult r = cuGraphAddDependencies(graph, from, to, nullptr, 2);
#else
    CUresult r = cuGraphAddDependencies(graph, from, to, 2);
#endif
    if (r == CUDA_SUCCESS) {
        p = params(0);
        r = cuGraphInstantiateWithParams(&exec, graph, &p);
        EXPECT(r != CUDA_SUCCESS, "a circle can be instantiated");
        EXPECT(p.result_out == CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE, "a circle gives %d", p.result_out);
        EXPECT(!p.hErrNode_out || p.hErrNode_out == first || p.hErrNode_out == second, "a circle is told of %p", (void *)p.hErrNode_out);
    }
    CU(cuGraphDestroy(graph));

    // Kernels launch no host functions.
    CUDA_HOST_NODE_PARAMS h = {};
    CUDA_MEMSET_NODE_PARAMS set = {};
    h.fn = [](void *) {};
    CU(cuMemAlloc(&set.dst, 64));
    set.elementSize = 1, set.width = 64, set.height = 1;
    CUgraphNode memset_node, host;
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphAddMemsetNode(&memset_node, graph, nullptr, 0, &set, context));
    CU(cuGraphAddHostNode(&host, graph, &memset_node, 1, &h));
    p = params(CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH);
    r = cuGraphInstantiateWithParams(&exec, graph, &p);
    EXPECT(r != CUDA_SUCCESS, "kernels may launch a host function");
    EXPECT(p.result_out == CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED, "a host function gives %d", p.result_out);
    EXPECT(p.hErrNode_out == host, "%p is at fault, want %p", (void *)p.hErrNode_out, (void *)host);
    CUgraphNodeType type;
    CU(cuGraphNodeGetType(p.hErrNode_out, &type));
    EXPECT(type == CU_GRAPH_NODE_TYPE_HOST, "the node at fault has type %d", type);
    p = params(0); // without the wish it is right
    CU(cuGraphInstantiateWithParams(&exec, graph, &p));
    EXPECT(p.result_out == CUDA_GRAPH_INSTANTIATE_SUCCESS && !p.hErrNode_out, "then it is %d, of node %p", p.result_out, (void *)p.hErrNode_out);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));

    // What is no graph has no node.
    p = params(0);
    r = cuGraphInstantiateWithParams(&exec, nullptr, &p);
    EXPECT(r != CUDA_SUCCESS, "NULL can be instantiated");
    CU(cuMemFree(set.dst));
    CU(cuCtxDestroy(context));
    return 0;
}
#else
int main() { SKIP("this tool chain does not know it"); }
#endif
