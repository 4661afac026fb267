// SPDX-License-Identifier: Apache-2.0
//
// Copies of pageable memory in captures of any mode: read and written at each launch, not when captured.
#include "check.h"

__global__ void twice(unsigned *v) { v[threadIdx.x] *= 2; }

static const int n = 64;

static void fill(std::vector<unsigned> &v, unsigned seed) {
    for (int i = 0; i < (int)v.size(); i++) v[i] = seed + i;
}

// linear copies in and out, of a capture beside which another ends first.
static void linear(cudaStream_t s, cudaStream_t other, cudaStreamCaptureMode mode) {
    std::vector<unsigned> in(n), out(n), want(n), rest(1, 9);
    unsigned *v = device_array<unsigned>(n), *w = device_array<unsigned>(1);
    cudaGraph_t graph, second;
    cudaGraphExec_t exec;
    CHECK(cudaStreamBeginCapture(s, mode));
    CHECK(cudaStreamBeginCapture(other, mode));
    CHECK(cudaMemcpyAsync(v, in.data(), n * 4, cudaMemcpyHostToDevice, s));
    twice<<<1, n, 0, s>>>(v);
    CHECK(cudaMemcpyAsync(out.data(), v, n * 4, cudaMemcpyDeviceToHost, s));
    CHECK(cudaMemcpyAsync(w, rest.data(), 4, cudaMemcpyHostToDevice, other));
    CHECK(cudaStreamEndCapture(other, &second));
    CHECK(cudaGraphDestroy(second));
    CHECK(cudaStreamEndCapture(s, &graph));
    size_t nodes = 0;
    CHECK(cudaGraphGetNodes(graph, nullptr, &nodes));
    EXPECT(nodes == 3, "the graph has %zu nodes, want 3", nodes);
    CHECK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    CHECK(cudaGraphDestroy(graph));
    for (unsigned seed : {5u, 1000u}) {
        fill(in, seed);
        for (int i = 0; i < n; i++) want[i] = 2 * in[i];
        CHECK(cudaGraphLaunch(exec, s));
        CHECK(cudaStreamSynchronize(s));
        expect_same("linear", out, want);
    }
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaFree(v));
    CHECK(cudaFree(w));
}

// A box with a pitch, and a copy between two places of the host.
static void boxes(cudaStream_t s, cudaStreamCaptureMode mode) {
    const int rows = 4, pitch = 24;
    std::vector<unsigned> in(rows * pitch), out(rows * pitch, 7), want(rows * pitch, 7), from(n), to(n);
    unsigned *v = device_array<unsigned>(rows * 16);
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    CHECK(cudaStreamBeginCapture(s, mode));
    CHECK(cudaMemcpy2DAsync(v, 16 * 4, in.data(), pitch * 4, 16 * 4, rows, cudaMemcpyHostToDevice, s));
    twice<<<1, 16 * rows, 0, s>>>(v);
    CHECK(cudaMemcpy2DAsync(out.data(), pitch * 4, v, 16 * 4, 16 * 4, rows, cudaMemcpyDeviceToHost, s));
    CHECK(cudaMemcpyAsync(to.data(), from.data(), n * 4, cudaMemcpyHostToHost, s));
    CHECK(cudaStreamEndCapture(s, &graph));
    CHECK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    fill(in, 11);
    fill(from, 12);
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < 16; x++) want[y * pitch + x] = 2 * in[y * pitch + x];
    CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaStreamSynchronize(s));
    expect_same("box", out, want);
    expect_same("within the host", to, from);
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
    CHECK(cudaFree(v));
}

int main() {
    cudaStream_t s, other;
    CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    unsigned *v = to_device(std::vector<unsigned>(n, 1));
    twice<<<1, n, 0, s>>>(v);
    CHECK(cudaStreamSynchronize(s));
    for (cudaStreamCaptureMode mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed}) {
        linear(s, other, mode);
        boxes(s, mode);
    }
    // What was copied for a capture that has failed is forgotten with it.
    std::vector<unsigned> in(n, 3);
    cudaGraph_t graph;
    CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    CHECK(cudaMemcpyAsync(v, in.data(), n * 4, cudaMemcpyHostToDevice, s));
    EXPECT_ERROR(cudaStreamSynchronize(s), cudaErrorStreamCaptureUnsupported);
    EXPECT_ERROR(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
    cudaGetLastError();
    linear(s, other, cudaStreamCaptureModeGlobal);
    return 0;
}
