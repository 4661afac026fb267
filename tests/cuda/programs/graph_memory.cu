// SPDX-License-Identifier: Apache-2.0
//
// Graphs that allocate: by nodes and by capture, freed within, by the program, and by the next launch.
#include "check.h"

__global__ void fill(int *v, int n, int seed) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] = i * 3 + seed;
}

__global__ void add(int *out, const int *v, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] += v[i];
}

static const int n = 3000;

static cudaGraphNode_t kernel(cudaGraph_t graph, cudaGraphNode_t after, void *function, void **args) {
    cudaGraphNode_t node;
    cudaKernelNodeParams p = {};
    p.func = function;
    p.gridDim = dim3((n + 255) / 256);
    p.blockDim = dim3(256);
    p.kernelParams = args;
    CHECK(cudaGraphAddKernelNode(&node, graph, &after, 1, &p));
    return node;
}

static cudaGraphNode_t allocation(cudaGraph_t graph, int **p) {
    cudaGraphNode_t node;
    cudaMemAllocNodeParams a = {};
    a.poolProps.allocType = cudaMemAllocationTypePinned;
    a.poolProps.location.type = cudaMemLocationTypeDevice;
    a.bytesize = n * sizeof(int);
    CHECK(cudaGraphAddMemAllocNode(&node, graph, nullptr, 0, &a));
    *p = (int *)a.dptr;
    cudaMemAllocNodeParams told;
    CHECK(cudaGraphMemAllocNodeGetParams(node, &told));
    EXPECT(told.dptr == a.dptr && told.bytesize == a.bytesize, "the node tells %p, %zu", told.dptr, told.bytesize);
    return node;
}

static std::vector<int> sums(int launches, int seed) {
    std::vector<int> v(n);
    for (int i = 0; i < n; i++) v[i] = launches * (i * 3 + seed);
    return v;
}

// within: allocated and freed by each launch.
void within(cudaStream_t s, int *out) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    int *v, count = n, seed = 5;
    CHECK(cudaMemset(out, 0, n * 4));
    CHECK(cudaGraphCreate(&graph, 0));
    cudaGraphNode_t node = allocation(graph, &v);
    void *fill_args[] = {&v, &count, &seed}, *add_args[] = {&out, &v, &count};
    node = kernel(graph, node, (void *)fill, fill_args);
    node = kernel(graph, node, (void *)add, add_args);
    CHECK(cudaGraphAddMemFreeNode(&node, graph, &node, 1, v));
    void *told;
    CHECK(cudaGraphMemFreeNodeGetParams(node, &told));
    EXPECT(told == v, "the node frees %p", told);
    cudaGraphNodeType type;
    CHECK(cudaGraphNodeGetType(node, &type));
    EXPECT(type == cudaGraphNodeTypeMemFree, "type %d", type);
    CHECK(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0));
    for (int i = 0; i < 3; i++) CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaStreamSynchronize(s));
    expect_same("freed within", to_host(out, n), sums(3, seed));
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
}

// beyond: what a launch has allocated is the program's, until it frees it.
void beyond(cudaStream_t s) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    int *v, count = n, seed = 7;
    CHECK(cudaGraphCreate(&graph, 0));
    cudaGraphNode_t node = allocation(graph, &v);
    void *args[] = {&v, &count, &seed};
    kernel(graph, node, (void *)fill, args);
    CHECK(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0));
    for (int i = 0; i < 2; i++) {
        CHECK(cudaGraphLaunch(exec, s));
        std::vector<int> got(n);
        CHECK(cudaMemcpyAsync(got.data(), v, n * 4, cudaMemcpyDefault, s));
        CHECK(cudaStreamSynchronize(s));
        expect_same("used after the launch", got, sums(1, seed));
        if (i == 0)
            CHECK(cudaFreeAsync(v, s));
        else
            CHECK(cudaFree(v));
    }
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphInstantiateWithFlags(&exec, graph, cudaGraphInstantiateFlagAutoFreeOnLaunch));
    for (int i = 0; i < 3; i++) CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaStreamSynchronize(s));
    CHECK(cudaFree(v));
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
}

// captured: cudaMallocAsync and cudaFreeAsync in a capture are nodes.
void captured(cudaStream_t s, int *out) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    int *v;
    CHECK(cudaMemset(out, 0, n * 4));
    CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    CHECK(cudaMallocAsync((void **)&v, n * 4, s));
    fill<<<(n + 255) / 256, 256, 0, s>>>(v, n, 11);
    add<<<(n + 255) / 256, 256, 0, s>>>(out, v, n);
    CHECK(cudaFreeAsync(v, s));
    CHECK(cudaStreamEndCapture(s, &graph));
    size_t count = 4;
    cudaGraphNode_t nodes[4];
    CHECK(cudaGraphGetNodes(graph, nodes, &count));
    EXPECT(count == 4, "%zu nodes", count);
    for (auto node : nodes) {
        cudaGraphNodeType type;
        CHECK(cudaGraphNodeGetType(node, &type));
        if (type != cudaGraphNodeTypeMemAlloc) continue;
        cudaMemAllocNodeParams told;
        CHECK(cudaGraphMemAllocNodeGetParams(node, &told));
        EXPECT(told.dptr == v && told.bytesize >= n * 4, "the node tells %p, %zu", told.dptr, told.bytesize);
    }
    CHECK(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0));
    for (int i = 0; i < 2; i++) CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaStreamSynchronize(s));
    expect_same("captured", to_host(out, n), sums(2, 11));
    size_t reserved;
    CHECK(cudaDeviceGetGraphMemAttribute(0, cudaGraphMemAttrReservedMemCurrent, &reserved));
    EXPECT(reserved >= n * 4, "%zu bytes are reserved for graphs", reserved);
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
    CHECK(cudaDeviceGraphMemTrim(0));
}

int main() {
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    int *out;
    CHECK(cudaMalloc(&out, n * 4));
    within(s, out);
    beyond(s);
    captured(s, out);
    CHECK(cudaFree(out));
    CHECK(cudaStreamDestroy(s));
    return 0;
}
