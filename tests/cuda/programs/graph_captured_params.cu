// SPDX-License-Identifier: Apache-2.0
//
// The parameters of captured nodes: told, changed where they lie, and given back, again and again.
#include "check.h"

__global__ void scale(const int *from, int *to, int n, int by) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) to[i] = from[i] * by;
}

static int calls;
static void CUDART_CB count(void *by) { calls += *(int *)by; }

int main() {
    const int n = 400;
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    std::vector<int> v(n);
    for (int i = 0; i < n; i++) v[i] = i - 50;
    int *a = to_device(v), *b = device_array<int>(n), *c = device_array<int>(n), *pinned, step = 3;
    CHECK(cudaMallocHost(&pinned, n * 4));

    cudaGraph_t graph;
    cudaGraphExec_t exec;
    CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    scale<<<4, 128, 0, s>>>(a, b, n, 2);
    CHECK(cudaMemcpyAsync(pinned, b, n * 4, cudaMemcpyDeviceToHost, s));
    CHECK(cudaLaunchHostFunc(s, count, &step));
    CHECK(cudaStreamEndCapture(s, &graph));
    CHECK(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0));

    cudaGraphNode_t nodes[3], kernel = nullptr, copy = nullptr, host = nullptr;
    size_t number = 3;
    CHECK(cudaGraphGetNodes(graph, nodes, &number));
    EXPECT(number == 3, "%zu nodes", number);
    for (auto node : nodes) {
        cudaGraphNodeType type;
        CHECK(cudaGraphNodeGetType(node, &type));
        (type == cudaGraphNodeTypeKernel ? kernel : type == cudaGraphNodeTypeMemcpy ? copy : host) = node;
    }
    EXPECT(kernel && copy && host, "a node is missing");

    cudaMemcpy3DParms p;
    CHECK(cudaGraphMemcpyNodeGetParams(copy, &p));
    EXPECT(p.srcPtr.ptr == b && p.dstPtr.ptr == pinned && p.extent.width == n * 4, "the copy is of %zu bytes from %p to %p", p.extent.width,
           p.srcPtr.ptr, p.dstPtr.ptr);
    cudaHostNodeParams h;
    CHECK(cudaGraphHostNodeGetParams(host, &h));
    EXPECT(h.fn == count && h.userData == &step, "the host function is another");

    cudaKernelNodeParams k;
    CHECK(cudaGraphKernelNodeGetParams(kernel, &k));
    EXPECT(k.func == (void *)scale && k.gridDim.x == 4 && k.blockDim.x == 128 && k.kernelParams, "a kernel of %u blocks of %u", k.gridDim.x,
           k.blockDim.x);
    EXPECT(*(int **)k.kernelParams[0] == a && *(int **)k.kernelParams[1] == b && *(int *)k.kernelParams[2] == n && *(int *)k.kernelParams[3] == 2,
           "the kernel multiplies %d numbers by %d", *(int *)k.kernelParams[2], *(int *)k.kernelParams[3]);
    for (int by = 3; by < 8; by++) { // the parameters are told once, and changed each time
        *(int *)k.kernelParams[3] = by;
        CHECK(cudaGraphKernelNodeSetParams(kernel, &k));
#if CUDART_VERSION >= 12000
        cudaGraphExecUpdateResultInfo info;
        CHECK(cudaGraphExecUpdate(exec, graph, &info));
#else
        cudaGraphExecUpdateResult result;
        cudaGraphNode_t failed;
        CHECK(cudaGraphExecUpdate(exec, graph, &failed, &result));
#endif
        CHECK(cudaGraphLaunch(exec, s));
        CHECK(cudaStreamSynchronize(s));
        for (int i = 0; i < n; i++) EXPECT(pinned[i] == v[i] * by, "element %d is %d, want %d", i, pinned[i], v[i] * by);
    }
    EXPECT(calls == 5 * step, "the host function added %d", calls);

    *(int **)k.kernelParams[1] = c; // of the instance alone
    CHECK(cudaGraphExecKernelNodeSetParams(exec, kernel, &k));
    CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaStreamSynchronize(s));
    std::vector<int> want(n);
    for (int i = 0; i < n; i++) want[i] = v[i] * 7;
    expect_same("another target", to_host(c, n), want);

    // Another graph's nodes take the place of these, in memory of the driver too.
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
    for (int round = 0; round < 20; round++) {
        CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
        scale<<<4, 128, 0, s>>>(a, c, n, round);
        CHECK(cudaStreamEndCapture(s, &graph));
        number = 1;
        CHECK(cudaGraphGetNodes(graph, &kernel, &number));
        CHECK(cudaGraphKernelNodeGetParams(kernel, &k));
        EXPECT(*(int **)k.kernelParams[1] == c && *(int *)k.kernelParams[3] == round, "round %d: by %d", round, *(int *)k.kernelParams[3]);
        CHECK(cudaGraphDestroy(graph));
    }
    CHECK(cudaFreeHost(pinned));
    for (int *d : {a, b, c}) CHECK(cudaFree(d));
    CHECK(cudaStreamDestroy(s));
    return 0;
}
