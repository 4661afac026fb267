// SPDX-License-Identifier: Apache-2.0
//
// A graph built node by node: kernels, copies, memset, host function, a child
// graph, and an order by dependencies alone.
#include "check.h"

__global__ void affine(unsigned *v, unsigned a, unsigned b, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] = v[i] * a + b;
}

void note(void *p) { *(unsigned *)p = *(unsigned *)p * 2 + 1; }

int main() {
    int n = 1000;
    unsigned *v = device_array<unsigned>(n), three = 3, one = 1, five = 5, seven = 7, noted = 0;
    std::vector<unsigned> in(n), out(n), want(n);
    for (int i = 0; i < n; i++) in[i] = i, want[i] = ((i * 3 + 1) * 5 + 7) * 3 + 1;
    cudaGraph_t graph, child;
    CHECK(cudaGraphCreate(&graph, 0));
    CHECK(cudaGraphCreate(&child, 0));

    void *first_args[] = {&v, &three, &one, &n}, *second_args[] = {&v, &five, &seven, &n};
    cudaKernelNodeParams k = {};
    k.func = (void *)affine;
    k.gridDim = dim3(8);
    k.blockDim = dim3(128);
    k.kernelParams = first_args;
    cudaGraphNode_t up, first, second, third, down, host, clear, empty;
    CHECK(cudaGraphAddMemcpyNode1D(&up, graph, nullptr, 0, v, in.data(), n * sizeof(unsigned), cudaMemcpyHostToDevice));
    CHECK(cudaGraphAddKernelNode(&first, graph, &up, 1, &k));
    // The child graph holds the second kernel.
    k.kernelParams = second_args;
    cudaGraphNode_t inner;
    CHECK(cudaGraphAddKernelNode(&inner, child, nullptr, 0, &k));
    CHECK(cudaGraphAddChildGraphNode(&second, graph, &first, 1, child));
    k.kernelParams = first_args;
    CHECK(cudaGraphAddKernelNode(&third, graph, &second, 1, &k));
    CHECK(cudaGraphAddMemcpyNode1D(&down, graph, &third, 1, out.data(), v, n * sizeof(unsigned), cudaMemcpyDeviceToHost));
    cudaHostNodeParams h = {note, &noted};
    CHECK(cudaGraphAddHostNode(&host, graph, &down, 1, &h));
    CHECK(cudaGraphAddEmptyNode(&empty, graph, &host, 1));
    cudaMemsetParams m = {};
    m.dst = v;
    m.elementSize = 4;
    m.value = 0xdeadbeef;
    m.width = n;
    m.height = 1;
    CHECK(cudaGraphAddMemsetNode(&clear, graph, &empty, 1, &m));
    cudaGraphNodeType type;
    CHECK(cudaGraphNodeGetType(second, &type));
    EXPECT(type == cudaGraphNodeTypeGraph, "the type is %d", type);

    cudaGraphExec_t exec;
    CHECK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    for (int r = 0; r < 5; r++) {
        std::fill(out.begin(), out.end(), 0);
        CHECK(cudaGraphLaunch(exec, s));
        CHECK(cudaStreamSynchronize(s));
        expect_same("graph", out, want);
        expect_same("memset", to_host(v, n), std::vector<unsigned>(n, 0xdeadbeef));
    }
    EXPECT(noted == 31, "the host function left %u, want 31", noted);

    // A clone is a graph of its own.
    cudaGraph_t clone;
    CHECK(cudaGraphClone(&clone, graph));
    CHECK(cudaGraphDestroy(graph));
    CHECK(cudaGraphDestroy(child));
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphInstantiateWithFlags(&exec, clone, 0));
    CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaStreamSynchronize(s));
    EXPECT(noted == 63, "the clone's host function left %u, want 63", noted);
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(clone));
    return 0;
}
