// SPDX-License-Identifier: Apache-2.0
//
// A capture draws in a second stream, which is destroyed as soon as the first waits for it, before the capture ends.
#include "check.h"

__global__ void set(int *v, int value) { *v = value; }
__global__ void sum(const int *v, int *out) { *out = v[0] + v[1]; }

int main() {
    int *v = device_array<int>(2), *out = device_array<int>(1);
    cudaStream_t first, second;
    cudaEvent_t forked, joined;
    cudaGraph_t graph;
    CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
    CHECK(cudaEventCreate(&forked));
    CHECK(cudaEventCreate(&joined));

    CHECK(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal));
    set<<<1, 1, 0, first>>>(v, 30);
    CHECK(cudaEventRecord(forked, first));
    CHECK(cudaStreamWaitEvent(second, forked, 0));
    set<<<1, 1, 0, second>>>(v + 1, 12);
    CHECK(cudaEventRecord(joined, second));
    CHECK(cudaStreamWaitEvent(first, joined, 0));
    CHECK(cudaStreamDestroy(second));
    CHECK(cudaEventDestroy(forked));
    CHECK(cudaEventDestroy(joined));
    sum<<<1, 1, 0, first>>>(v, out);
    CHECK(cudaStreamEndCapture(first, &graph));

    size_t nodes;
    CHECK(cudaGraphGetNodes(graph, nullptr, &nodes));
    EXPECT(nodes == 3, "the graph has %zu nodes", nodes);
    cudaGraphExec_t exec;
    CHECK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    CHECK(cudaGraphLaunch(exec, first));
    CHECK(cudaStreamSynchronize(first));
    expect_same("the sum", to_host(out, 1), std::vector<int>(1, 42));
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
    CHECK(cudaStreamDestroy(first));
    return 0;
}
