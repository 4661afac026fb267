// SPDX-License-Identifier: Apache-2.0
//
// A chain of work that goes from stream to stream by events, with a join.
#include "check.h"

__global__ void append(unsigned *v, int n, unsigned a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] = v[i] * 31 + a;
}

__global__ void join(unsigned *v, const unsigned *const *parts, int count, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    for (int k = 0; k < count; k++) v[i] += parts[k][i] * (k + 1);
}

int main() {
    const int count = 5, n = 3000, rounds = 50, grid = (n + 127) / 128;
    cudaStream_t s[count];
    cudaEvent_t e[count];
    unsigned *v = to_device(std::vector<unsigned>(n, 1));
    for (int k = 0; k < count; k++) {
        CHECK(cudaStreamCreateWithFlags(&s[k], cudaStreamNonBlocking));
        CHECK(cudaEventCreateWithFlags(&e[k], cudaEventDisableTiming));
    }
    unsigned want = 1;
    for (int r = 0; r < rounds; r++) {
        int k = r * 3 % count, next = (r + 1) * 3 % count;
        append<<<grid, 128, 0, s[k]>>>(v, n, r);
        want = want * 31 + r;
        CHECK(cudaEventRecord(e[k], s[k]));
        CHECK(cudaStreamWaitEvent(s[next], e[k], 0));
    }
    CHECK(cudaDeviceSynchronize());
    expect_same("chain", to_host(v, n), std::vector<unsigned>(n, want));

    // A fork to all streams and a join of them.
    unsigned *parts[count];
    for (int k = 0; k < count; k++) parts[k] = to_device(std::vector<unsigned>(n, k));
    unsigned **list = to_device(std::vector<unsigned *>(parts, parts + count));
    for (int r = 0; r < 20; r++) {
        append<<<grid, 128, 0, s[0]>>>(v, n, r);
        want = want * 31 + r;
        CHECK(cudaEventRecord(e[0], s[0]));
        for (int k = 1; k < count; k++) {
            CHECK(cudaStreamWaitEvent(s[k], e[0], 0));
            append<<<grid, 128, 0, s[k]>>>(parts[k], n, r);
            CHECK(cudaEventRecord(e[k], s[k]));
            CHECK(cudaStreamWaitEvent(s[0], e[k], 0));
        }
        join<<<grid, 128, 0, s[0]>>>(v, list, count, n);
        static unsigned p[count] = {0, 1, 2, 3, 4};
        for (int k = 1; k < count; k++) p[k] = p[k] * 31 + r;
        for (int k = 0; k < count; k++) want += p[k] * (k + 1);
    }
    CHECK(cudaStreamSynchronize(s[0]));
    expect_same("fork and join", to_host(v, n), std::vector<unsigned>(n, want));
    return 0;
}
