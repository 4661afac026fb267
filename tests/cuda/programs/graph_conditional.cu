// SPDX-License-Identifier: Apache-2.0
//
// Conditional nodes: bodies that run if, while, or as often as kernels say. One is made by capture.
#include "check.h"

#if CUDART_VERSION < 12040
int main() { SKIP("CUDA %d has no conditional nodes", CUDART_VERSION / 1000); }
#else
__global__ void decide(cudaGraphConditionalHandle h, const int *value) { cudaGraphSetConditional(h, *value); }

__global__ void count_down(cudaGraphConditionalHandle h, int *left, int *turns) {
    ++*turns;
    cudaGraphSetConditional(h, --*left > 0);
}

__global__ void add(int *v, int by) { *v += by; }

static cudaGraphNode_t kernel(cudaGraph_t graph, cudaGraphNode_t *after, void *function, void **args) {
    cudaGraphNode_t node;
    cudaKernelNodeParams p = {};
    p.func = function;
    p.gridDim = p.blockDim = dim3(1);
    p.kernelParams = args;
    CHECK(cudaGraphAddKernelNode(&node, graph, after, after ? 1 : 0, &p));
    return node;
}

static cudaGraph_t conditional(cudaGraph_t graph, cudaGraphNode_t *after, cudaGraphConditionalHandle h, cudaGraphConditionalNodeType type) {
    cudaGraphNode_t node;
    cudaGraphNodeParams p = {};
    p.type = cudaGraphNodeTypeConditional;
    p.conditional.handle = h;
    p.conditional.type = type;
    p.conditional.size = 1;
#if CUDART_VERSION >= 13000
    CHECK(cudaGraphAddNode(&node, graph, after, nullptr, after ? 1 : 0, &p));
#else
    CHECK(cudaGraphAddNode(&node, graph, after, after ? 1 : 0, &p));
#endif
    return p.conditional.phGraph_out[0];
}

// if_body: the body runs when a kernel of the graph says so.
void if_body(int *memory, cudaStream_t s) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaGraphConditionalHandle h;
    int *choice = memory, *sum = memory + 1, by = 10;
    CHECK(cudaMemset(memory, 0, 16));
    CHECK(cudaGraphCreate(&graph, 0));
    CHECK(cudaGraphConditionalHandleCreate(&h, graph, 0, 0));
    void *args[] = {&h, &choice}, *add_args[] = {&sum, &by};
    cudaGraphNode_t first = kernel(graph, nullptr, (void *)decide, args);
    cudaGraph_t body = conditional(graph, &first, h, cudaGraphCondTypeIf);
    kernel(body, nullptr, (void *)add, add_args);
    CHECK(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0));
    int want = 0;
    for (int v : {0, 1, 0, 5}) {
        CHECK(cudaMemcpyAsync(choice, &v, 4, cudaMemcpyHostToDevice, s));
        CHECK(cudaGraphLaunch(exec, s));
        int got;
        CHECK(cudaMemcpyAsync(&got, sum, 4, cudaMemcpyDeviceToHost, s));
        CHECK(cudaStreamSynchronize(s));
        want += v ? by : 0;
        EXPECT(got == want, "if %d: the sum is %d, want %d", v, got, want);
    }
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
}

// while_body: the body is captured, and begins with the value that each launch assigns.
void while_body(int *memory, cudaStream_t s) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaGraphConditionalHandle h;
    CHECK(cudaGraphCreate(&graph, 0));
    CHECK(cudaGraphConditionalHandleCreate(&h, graph, 1, cudaGraphCondAssignDefault));
    cudaGraph_t body = conditional(graph, nullptr, h, cudaGraphCondTypeWhile);
    cudaStream_t capture;
    CHECK(cudaStreamCreateWithFlags(&capture, cudaStreamNonBlocking));
    CHECK(cudaStreamBeginCaptureToGraph(capture, body, nullptr, nullptr, 0, cudaStreamCaptureModeGlobal));
    count_down<<<1, 1, 0, capture>>>(h, memory, memory + 1);
    add<<<1, 1, 0, capture>>>(memory + 2, 100);
    cudaGraph_t captured;
    CHECK(cudaStreamEndCapture(capture, &captured));
    EXPECT(captured == body, "the capture ends with another graph");
    // Who knows the graph need not be told.
    cudaGraphNode_t last;
    size_t leaves = 1;
    CHECK(cudaStreamBeginCaptureToGraph(capture, body, nullptr, nullptr, 0, cudaStreamCaptureModeGlobal));
    CHECK(cudaStreamEndCapture(capture, nullptr));
    CHECK(cudaGraphGetRootNodes(body, &last, &leaves));
    EXPECT(leaves == 1, "the body has %zu root nodes, want 1", leaves);
    CHECK(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0));
    for (int turns : {7, 1, 20}) {
        int values[3] = {turns, 0, 0};
        CHECK(cudaMemcpyAsync(memory, values, sizeof values, cudaMemcpyHostToDevice, s));
        CHECK(cudaGraphLaunch(exec, s));
        CHECK(cudaMemcpyAsync(values, memory, sizeof values, cudaMemcpyDeviceToHost, s));
        CHECK(cudaStreamSynchronize(s));
        EXPECT(values[0] == 0 && values[1] == turns && values[2] == 100 * turns, "%d turns: %d %d %d", turns, values[0], values[1], values[2]);
    }
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
    CHECK(cudaStreamDestroy(capture));
}

int main() {
    cudaStream_t s;
    int *memory, driver;
    CHECK(cudaDriverGetVersion(&driver));
    if (driver < 12040) SKIP("the driver is of CUDA %d.%d", driver / 1000, driver % 1000 / 10);
    CHECK(cudaStreamCreate(&s));
    CHECK(cudaMalloc(&memory, 16));
    if_body(memory, s);
    while_body(memory, s);
    CHECK(cudaFree(memory));
    CHECK(cudaStreamDestroy(s));
    return 0;
}
#endif
