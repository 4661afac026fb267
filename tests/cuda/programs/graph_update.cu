// SPDX-License-Identifier: Apache-2.0
//
// An executable graph whose parameters change between launches: of one node,
// and of all by a graph of the same shape.
#include "check.h"

__global__ void affine(unsigned *v, unsigned a, unsigned b) { v[threadIdx.x] = v[threadIdx.x] * a + b; }

cudaGraph_t capture(cudaStream_t s, unsigned *v, unsigned a, unsigned b, int kernels) {
    cudaGraph_t graph;
    CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    for (int i = 0; i < kernels; i++) affine<<<1, 64, 0, s>>>(v, a, b + i);
    CHECK(cudaStreamEndCapture(s, &graph));
    return graph;
}

cudaGraphExecUpdateResult update(cudaGraphExec_t exec, cudaGraph_t graph) {
#if CUDART_VERSION >= 12000
    cudaGraphExecUpdateResultInfo info;
    cudaError_t error = cudaGraphExecUpdate(exec, graph, &info);
    cudaGraphExecUpdateResult result = info.result;
#else
    cudaGraphNode_t node;
    cudaGraphExecUpdateResult result;
    cudaError_t error = cudaGraphExecUpdate(exec, graph, &node, &result);
#endif
    EXPECT(error == (result == cudaGraphExecUpdateSuccess ? cudaSuccess : cudaErrorGraphExecUpdateFailure),
           "result %d and error %s do not agree", result, cudaGetErrorName(error));
    cudaGetLastError();
    return result;
}

int main() {
    unsigned *v = to_device(std::vector<unsigned>(64, 1)), want = 1;
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    cudaGraph_t graph = capture(s, v, 3, 1, 2);
    cudaGraphExec_t exec;
    CHECK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    auto run = [&](unsigned a, unsigned b, int kernels) {
        CHECK(cudaGraphLaunch(exec, s));
        for (int i = 0; i < kernels; i++) want = want * a + b + i;
    };
    run(3, 1, 2);
    // A launch in flight keeps its parameters.
    cudaGraph_t changed = capture(s, v, 5, 9, 2);
    EXPECT(update(exec, changed) == cudaGraphExecUpdateSuccess, "an update of the same shape is refused");
    run(5, 9, 2);
    CHECK(cudaStreamSynchronize(s));
    expect_same("after an update", to_host(v, 64), std::vector<unsigned>(64, want));

    cudaGraph_t longer = capture(s, v, 5, 9, 3);
    cudaGraphExecUpdateResult refusal = update(exec, longer);
    EXPECT(refusal == cudaGraphExecUpdateErrorTopologyChanged, "an update of another shape gives %d", refusal);
    run(5, 9, 2);

    cudaGraphNode_t nodes[2];
    size_t count = 2;
    // Nodes are named by the graph that the executable one was made from.
    CHECK(cudaGraphGetNodes(graph, nodes, &count));
    unsigned seven = 7, eight = 8;
    void *args[] = {&v, &seven, &eight};
    cudaKernelNodeParams p = {};
    for (int i = 0; i < 2; i++) {
        CHECK(cudaGraphKernelNodeGetParams(nodes[i], &p));
        EXPECT(p.blockDim.x == 64 && p.gridDim.x == 1, "node %d: block %u, grid %u", i, p.blockDim.x, p.gridDim.x);
        p.kernelParams = args;
        CHECK(cudaGraphExecKernelNodeSetParams(exec, nodes[i], &p));
    }
    CHECK(cudaGraphLaunch(exec, s));
    want = (want * 7 + 8) * 7 + 8;
    CHECK(cudaStreamSynchronize(s));
    expect_same("after new parameters", to_host(v, 64), std::vector<unsigned>(64, want));
    for (cudaGraph_t g : {graph, changed, longer}) CHECK(cudaGraphDestroy(g));
    CHECK(cudaGraphExecDestroy(exec));
    return 0;
}
