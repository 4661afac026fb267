// SPDX-License-Identifier: Apache-2.0
//
// A graph captured from streams, fork and join included, launched many times.
#include "check.h"

__global__ void affine(unsigned *v, unsigned a, unsigned b) { v[blockIdx.x * blockDim.x + threadIdx.x] = v[blockIdx.x * blockDim.x + threadIdx.x] * a + b; }
__global__ void sum(unsigned *to, const unsigned *x, const unsigned *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    to[i] = x[i] ^ y[i];
}

void count(void *p) { ++*(int *)p; }

int main() {
    const int n = 512;
    unsigned *a = to_device(std::vector<unsigned>(n, 1)), *b = to_device(std::vector<unsigned>(n, 2)),
             *c = device_array<unsigned>(n), *pinned;
    CHECK(cudaMallocHost(&pinned, n * sizeof(unsigned)));
    cudaStream_t s, other;
    CHECK(cudaStreamCreate(&s));
    CHECK(cudaStreamCreate(&other));
    cudaEvent_t fork, join;
    CHECK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    CHECK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    int calls = 0;

    CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    affine<<<4, n / 4, 0, s>>>(a, 3, 1);
    CHECK(cudaEventRecord(fork, s));
    CHECK(cudaStreamWaitEvent(other, fork, 0));
    cudaStreamCaptureStatus status;
    CHECK(cudaStreamIsCapturing(other, &status));
    EXPECT(status == cudaStreamCaptureStatusActive, "capture status of the joined stream is %d", status);
    affine<<<4, n / 4, 0, other>>>(b, 5, 7);
    affine<<<4, n / 4, 0, s>>>(a, 11, 2);
    CHECK(cudaEventRecord(join, other));
    CHECK(cudaStreamWaitEvent(s, join, 0));
    sum<<<4, n / 4, 0, s>>>(c, a, b);
    CHECK(cudaMemcpyAsync(pinned, c, n * sizeof(unsigned), cudaMemcpyDeviceToHost, s));
    CHECK(cudaLaunchHostFunc(s, count, &calls));
    CHECK(cudaMemsetAsync(c, 0, n * sizeof(unsigned), s));
    cudaGraph_t graph;
    CHECK(cudaStreamEndCapture(s, &graph));
    CHECK(cudaStreamIsCapturing(s, &status));
    EXPECT(status == cudaStreamCaptureStatusNone, "capture status after the end is %d", status);
    size_t nodes = 0;
    CHECK(cudaGraphGetNodes(graph, nullptr, &nodes));
    EXPECT(nodes == 7, "the graph has %zu nodes, want 7", nodes);
    CHECK(cudaDeviceSynchronize());
    // Captured work has not run.
    expect_same("not run", to_host(a, n), std::vector<unsigned>(n, 1));

    cudaGraphExec_t exec;
    CHECK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    CHECK(cudaGraphDestroy(graph));
    unsigned wa = 1, wb = 2;
    for (int r = 0; r < 30; r++) {
        CHECK(cudaGraphLaunch(exec, r % 2 ? s : other));
        wa = (wa * 3 + 1) * 11 + 2;
        wb = wb * 5 + 7;
        if (r % 7 == 0) {
            CHECK(cudaDeviceSynchronize());
            for (int i = 0; i < n; i++) EXPECT(pinned[i] == (wa ^ wb), "round %d: %u, want %u", r, pinned[i], wa ^ wb);
        }
    }
    CHECK(cudaDeviceSynchronize());
    EXPECT(calls == 30, "the host function ran %d times, want 30", calls);
    expect_same("a", to_host(a, n), std::vector<unsigned>(n, wa));
    expect_same("c", to_host(c, n), std::vector<unsigned>(n, 0));
    CHECK(cudaGraphExecDestroy(exec));

    // A call that cannot be captured ends the capture.
    CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    affine<<<1, 32, 0, s>>>(a, 1, 1);
    EXPECT_ERROR(cudaStreamSynchronize(s), cudaErrorStreamCaptureUnsupported);
    EXPECT_ERROR(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
    cudaGetLastError();
    CHECK(cudaStreamSynchronize(s));
    expect_same("a after", to_host(a, n), std::vector<unsigned>(n, wa));
    return 0;
}
