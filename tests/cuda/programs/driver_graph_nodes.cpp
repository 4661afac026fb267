// SPDX-License-Identifier: Apache-2.0
//
// Nodes of graphs by the driver API: batches of memory operations, host functions that change, copies between
// pieces of pageable memory, and the functions for nodes of any kind.
#include "driver.h"

static CUfunction scale;
static CUstream s;

static CUDA_MEMCPY3D host_copy(void *to, const void *from, size_t bytes) {
    CUDA_MEMCPY3D c = {};
    c.srcMemoryType = CU_MEMORYTYPE_HOST, c.srcHost = from;
    c.dstMemoryType = CU_MEMORYTYPE_HOST, c.dstHost = to;
    c.WidthInBytes = bytes, c.Height = c.Depth = 1;
    return c;
}

static void run(CUgraphExec exec) {
    CU(cuGraphLaunch(exec, s));
    CU(cuStreamSynchronize(s));
}

#if CUDA_VERSION >= 11070
// batches write words in order, and one waits for a word that another node has written.
static void batches(CUcontext context) {
    CUgraph graph;
    CUgraphNode first, second;
    CUgraphExec exec;
    CUdeviceptr d = device_ints(std::vector<int>(8, 0));
    CUstreamBatchMemOpParams ops[3] = {};
    for (int i = 0; i < 2; i++) {
        ops[i].operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
        ops[i].writeValue.address = d + 4 * i;
        ops[i].writeValue.value = 100 + i;
    }
    CUDA_BATCH_MEM_OP_NODE_PARAMS p = {}, told = {};
    p.ctx = context, p.count = 2, p.paramArray = ops;
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphAddBatchMemOpNode(&first, graph, nullptr, 0, &p));
    CU(cuGraphBatchMemOpNodeGetParams(first, &told));
    EXPECT(told.count == 2 && told.paramArray[1].writeValue.address == d + 4 && told.paramArray[1].writeValue.value == 101,
           "the node tells %u operations", told.count);
    CUstreamBatchMemOpParams more[2] = {};
    more[0].operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
    more[0].waitValue.address = d + 4;
    more[0].waitValue.value = 101;
    more[0].waitValue.flags = CU_STREAM_WAIT_VALUE_EQ;
    more[1].operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
    more[1].writeValue.address = d + 8;
    more[1].writeValue.value = 7;
    p.paramArray = more;
    CU(cuGraphAddBatchMemOpNode(&second, graph, &first, 1, &p));
    CUgraphNodeType type;
    CU(cuGraphNodeGetType(second, &type));
    EXPECT(type == CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, "type %d", type);
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(exec);
    expect_same("batches", host_ints(d, 4), {100, 101, 7, 0});

    more[1].writeValue.value = 8;
    CU(cuGraphExecBatchMemOpNodeSetParams(exec, second, &p));
    run(exec);
    expect_same("a batch changed in the instance", host_ints(d, 4), {100, 101, 8, 0});
    more[1].writeValue.value = 9;
    CU(cuGraphBatchMemOpNodeSetParams(second, &p));
    CU(cuGraphBatchMemOpNodeGetParams(second, &told));
    EXPECT(told.paramArray[1].writeValue.value == 9, "the node tells %u", told.paramArray[1].writeValue.value);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(exec);
    expect_same("a batch changed in the graph", host_ints(d, 4), {100, 101, 9, 0});
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU(cuMemFree(d));
}
#else
static void batches(CUcontext) {} // CUDA 11.7 brought them
#endif

static int called[3];
static void CUDA_CB count(void *p) { ++*(int *)p; }

// hosts: an instance keeps the function that its graph had, until its own is changed.
static void hosts() {
    CUgraph graph;
    CUgraphNode node;
    CUgraphExec old, exec;
    CUDA_HOST_NODE_PARAMS p = {count, &called[0]}, told;
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphAddHostNode(&node, graph, nullptr, 0, &p));
    CU(cuGraphInstantiateWithFlags(&old, graph, 0));
    p.userData = &called[1];
    CU(cuGraphHostNodeSetParams(node, &p));
    CU(cuGraphHostNodeGetParams(node, &told));
    EXPECT(told.fn == count && told.userData == &called[1], "the node tells other parameters");
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(old);
    EXPECT(called[0] == 1 && called[1] == 0, "called %d and %d times", called[0], called[1]);
    run(exec);
    EXPECT(called[0] == 1 && called[1] == 1, "called %d and %d times", called[0], called[1]);
    p.userData = &called[2];
    CU(cuGraphExecHostNodeSetParams(exec, node, &p));
    run(exec);
    run(old);
    EXPECT(called[0] == 2 && called[1] == 1 && called[2] == 1, "called %d, %d and %d times", called[0], called[1], called[2]);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphExecDestroy(old));
    CU(cuGraphDestroy(graph));
}

// copies between pageable memory; a node that is given other memory does not touch the old.
static void copies(CUcontext context) {
    const int n = 500;
    std::vector<int> a(n), b(n, -1), c(n), d(n, -1);
    for (int i = 0; i < n; i++) a[i] = i, c[i] = -i;
    CUgraph graph;
    CUgraphNode node;
    CUgraphExec exec;
    CUDA_MEMCPY3D p = host_copy(b.data(), a.data(), n * 4), told;
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphAddMemcpyNode(&node, graph, nullptr, 0, &p, context));
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(exec);
    expect_same("pageable to pageable", b, a);
    p = host_copy(d.data(), c.data(), n * 4);
    CU(cuGraphExecMemcpyNodeSetParams(exec, node, &p, context));
    b.assign(n, 5);
    run(exec);
    expect_same("changed in the instance", d, c);
    expect_same("the old target", b, std::vector<int>(n, 5));
    d.assign(n, 0);
    CU(cuGraphMemcpyNodeSetParams(node, &p));
    CU(cuGraphMemcpyNodeGetParams(node, &told));
    EXPECT(told.dstHost == d.data() && told.srcHost == c.data(), "the node tells other memory");
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(exec);
    expect_same("changed in the graph", d, c);
    expect_same("the old target", b, std::vector<int>(n, 5));
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
}

#if CUDA_VERSION >= 12020
static CUgraphNode add(CUgraph graph, CUgraphNode after, CUgraphNodeParams *p) {
    CUgraphNode node;
#if CUDA_VERSION >= 13000
    CU(cuGraphAddNode(&node, graph, &after, nullptr, after ? 1 : 0, p));
#else
    CU(cuGraphAddNode(&node, graph, &after, after ? 1 : 0, p));
#endif
    return node;
}

// any makes nodes of every kind by one function, and changes them by another.
static void any(CUcontext context) {
    const int n = 256;
    int count_n = n, by = 3;
    CUdeviceptr v = device_ints(std::vector<int>(n, 2));
    std::vector<int> out(n);
    CUgraph graph, child;
    CUgraphExec exec;
    CUevent event;
    CU(cuEventCreate(&event, 0));
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphCreate(&child, 0));
    CUgraphNodeParams p = {};
    p.type = CU_GRAPH_NODE_TYPE_MEMSET;
    p.memset.dst = v, p.memset.value = 4, p.memset.elementSize = 4, p.memset.width = n, p.memset.height = 1, p.memset.ctx = context;
    CUgraphNode set = add(graph, nullptr, &p);
    void *args[] = {&v, &count_n, &by};
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_KERNEL;
    p.kernel.func = scale, p.kernel.gridDimX = 2, p.kernel.blockDimX = 128, p.kernel.kernelParams = args;
    p.kernel.gridDimY = p.kernel.gridDimZ = p.kernel.blockDimY = p.kernel.blockDimZ = 1;
    CUgraphNode kernel = add(graph, set, &p);
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_MEMCPY;
    CUDA_MEMCPY3D copy = {};
    copy.srcMemoryType = CU_MEMORYTYPE_DEVICE, copy.srcDevice = v;
    copy.dstMemoryType = CU_MEMORYTYPE_HOST, copy.dstHost = out.data();
    copy.WidthInBytes = n * 4, copy.Height = copy.Depth = 1;
    p.memcpy.copyParams = copy, p.memcpy.copyCtx = context;
    CUgraphNode down = add(graph, kernel, &p);
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_EVENT_RECORD;
    p.eventRecord.event = event;
    CUgraphNode record = add(graph, down, &p);
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_EMPTY;
    add(child, nullptr, &p);
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_GRAPH;
    p.graph.graph = child;
    CUgraphNode inner = add(graph, record, &p), within;
    CUgraph copied;
    size_t one = 1;
    CU(cuGraphChildGraphNodeGetGraph(inner, &copied));
    CU(cuGraphGetNodes(copied, &within, &one));
    EXPECT(one == 1 && copied != child, "%zu nodes within", one);
    p = {};
    called[0] = 0;
    p.type = CU_GRAPH_NODE_TYPE_HOST;
    p.host.fn = count, p.host.userData = &called[0];
    CUgraphNode host = add(graph, inner, &p);
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC;
    p.alloc.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    p.alloc.poolProps.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    p.alloc.bytesize = 4096;
    CUgraphNode alloc = add(graph, nullptr, &p);
    EXPECT(p.alloc.dptr != 0, "no address");
    CUdeviceptr address = p.alloc.dptr;
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_MEM_FREE;
    p.free.dptr = address;
    add(graph, alloc, &p);
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(exec);
    expect_same("nodes of every kind", out, std::vector<int>(n, 12));
    EXPECT(called[0] == 1, "the host function ran %d times", called[0]);
    CU(cuEventSynchronize(event));

    by = 5;
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_KERNEL;
    p.kernel.func = scale, p.kernel.gridDimX = 2, p.kernel.blockDimX = 128, p.kernel.kernelParams = args;
    p.kernel.gridDimY = p.kernel.gridDimZ = p.kernel.blockDimY = p.kernel.blockDimZ = 1;
    CU(cuGraphExecNodeSetParams(exec, kernel, &p));
    by = 6;
    CU(cuGraphNodeSetParams(kernel, &p));
    p = {};
    called[1] = 0;
    p.type = CU_GRAPH_NODE_TYPE_HOST;
    p.host.fn = count, p.host.userData = &called[1];
    CU(cuGraphExecNodeSetParams(exec, host, &p));
    run(exec);
    expect_same("changed in the instance", out, std::vector<int>(n, 20));
    EXPECT(called[0] == 1 && called[1] == 1, "called %d and %d times", called[0], called[1]);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(exec);
    expect_same("changed in the graph", out, std::vector<int>(n, 24));
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU(cuGraphDestroy(child));
    CU(cuEventDestroy(event));
    CU(cuMemFree(v));
}
#else
static void any(CUcontext) {} // CUDA 12.2 has the first of these functions
#endif

#if CUDA_VERSION >= 12030
// edges with data: a kernel may begin before the one before it has ended. These two share nothing.
static void edges() {
    int major, n = 64, by = 2;
    CU(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
    if (major < 9) return;
    CUdeviceptr a = device_ints(std::vector<int>(n, 1)), b = device_ints(std::vector<int>(n, 2));
    CUgraph graph;
    CUgraphNode first, second, empty, from[4], to[4];
    CUgraphExec exec;
    CUgraphEdgeData data = {}, told[4];
    data.from_port = CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC;
    data.type = CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC;
    CU(cuGraphCreate(&graph, 0));
    CUgraphNodeParams p = {};
    p.type = CU_GRAPH_NODE_TYPE_KERNEL;
    p.kernel.func = scale, p.kernel.gridDimX = 1, p.kernel.blockDimX = n;
    p.kernel.gridDimY = p.kernel.gridDimZ = p.kernel.blockDimY = p.kernel.blockDimZ = 1;
    void *args[] = {&a, &n, &by};
    p.kernel.kernelParams = args;
    first = add(graph, nullptr, &p);
    args[0] = &b;
#if CUDA_VERSION >= 13000
    CU(cuGraphAddNode(&second, graph, &first, &data, 1, &p));
#else
    CU(cuGraphAddNode_v2(&second, graph, &first, &data, 1, &p));
#endif
    p = {};
    p.type = CU_GRAPH_NODE_TYPE_EMPTY;
    empty = add(graph, second, &p);
    size_t count = 4;
#if CUDA_VERSION >= 13000
    CU(cuGraphGetEdges(graph, from, to, told, &count));
#else
    CU(cuGraphGetEdges_v2(graph, from, to, told, &count));
#endif
    EXPECT(count == 2, "%zu edges", count);
    for (size_t i = 0; i < count; i++) {
        bool special = from[i] == first && to[i] == second;
        EXPECT(special || (from[i] == second && to[i] == empty), "edge %zu is of other nodes", i);
        EXPECT(told[i].type == (special ? data.type : 0) && told[i].from_port == (special ? data.from_port : 0), "edge %zu: type %d, port %d",
               i, told[i].type, told[i].from_port);
    }
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(exec);
    expect_same("the first kernel", host_ints(a, n), std::vector<int>(n, 2));
    expect_same("the second kernel", host_ints(b, n), std::vector<int>(n, 4));
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU(cuMemFree(a));
    CU(cuMemFree(b));
}

// insert puts a node of its own between two that are captured.
static void insert() {
    int n = 64, by = 2;
    CUdeviceptr a = device_ints(std::vector<int>(n, 1));
    void *args[] = {&a, &n, &by};
    CUgraph graph, captured;
    CUgraphNode middle, from[4], to[4];
    const CUgraphNode *last;
    const CUgraphEdgeData *data;
    CUgraphEdgeData none = {};
    CUstreamCaptureStatus status;
    cuuint64_t id;
    size_t count;
    CU(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU(cuLaunchKernel(scale, 1, 1, 1, n, 1, 1, 0, s, args, nullptr));
#if CUDA_VERSION >= 13000
    CU(cuStreamGetCaptureInfo(s, &status, &id, &graph, &last, &data, &count));
#else
    CU(cuStreamGetCaptureInfo_v3(s, &status, &id, &graph, &last, &data, &count));
#endif
    EXPECT(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && count == 1, "status %d, %zu nodes", status, count);
    CU(cuGraphAddEmptyNode(&middle, graph, last, 1));
#if CUDA_VERSION >= 13000
    CU(cuStreamUpdateCaptureDependencies(s, &middle, &none, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
#else
    CU(cuStreamUpdateCaptureDependencies_v2(s, &middle, &none, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
#endif
    CU(cuLaunchKernel(scale, 1, 1, 1, n, 1, 1, 0, s, args, nullptr));
    CU(cuStreamEndCapture(s, &captured));
    EXPECT(captured == graph, "the capture ends with another graph");
    count = 4;
#if CUDA_VERSION >= 13000
    CU(cuGraphGetEdges(graph, from, to, nullptr, &count));
#else
    CU(cuGraphGetEdges(graph, from, to, &count));
#endif
    EXPECT(count == 2 && (to[0] == middle) != (to[1] == middle) && (from[0] == middle) != (from[1] == middle), "%zu edges", count);
    CUgraphExec exec;
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    run(exec);
    expect_same("two kernels", host_ints(a, n), std::vector<int>(n, 4));
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU(cuMemFree(a));
}
#else
static void edges() {} // CUDA 12.3 has edges with data
static void insert() {}
#endif

int main() {
    CUcontext context = start();
    CUmodule module;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    batches(context);
    hosts();
    copies(context);
    any(context);
    edges();
    insert();
    CU(cuStreamDestroy(s));
    CU(cuCtxDestroy(context));
    return 0;
}
