// SPDX-License-Identifier: Apache-2.0
//
// Copies between two GPUs, and access to each other's memory where they can.
// gpus: 2
#include "check.h"

__global__ void add(const int *from, int *to, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) to[i] += from[i];
}

int main() {
    int count = 0;
    CHECK(cudaGetDeviceCount(&count));
    if (count < 2) SKIP("needs 2 GPUs, there is %d", count);
    const int n = 30000;
    std::vector<int> v(n), want(n);
    for (int i = 0; i < n; i++) v[i] = i * 3 - 7;
    CHECK(cudaSetDevice(0));
    int *a = to_device(v);
    CHECK(cudaSetDevice(1));
    int *b = device_array<int>(n), *c = device_array<int>(n);
    CHECK(cudaMemcpyPeer(b, 1, a, 0, n * sizeof(int)));
    expect_same("peer", to_host(b, n), v);
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    CHECK(cudaMemcpyPeerAsync(c, 1, a, 0, n * sizeof(int), s));
    add<<<(n + 127) / 128, 128, 0, s>>>(b, c, n);
    CHECK(cudaStreamSynchronize(s));
    for (int i = 0; i < n; i++) want[i] = 2 * v[i];
    expect_same("peer, not waiting", to_host(c, n), want);
    // With unified addresses the kind says it all.
    CHECK(cudaMemcpy(a, c, n * sizeof(int), cudaMemcpyDefault));
    CHECK(cudaSetDevice(0));
    expect_same("back", to_host(a, n), want);

    int can = 0;
    CHECK(cudaDeviceCanAccessPeer(&can, 0, 1));
    if (can) {
        CHECK(cudaDeviceEnablePeerAccess(1, 0));
        EXPECT_ERROR(cudaDeviceEnablePeerAccess(1, 0), cudaErrorPeerAccessAlreadyEnabled);
        cudaGetLastError();
        add<<<(n + 127) / 128, 128>>>(b, a, n);
        launched();
        for (int i = 0; i < n; i++) want[i] = 3 * v[i];
        expect_same("access", to_host(a, n), want);
        CHECK(cudaDeviceDisablePeerAccess(1));
    }
    return 0;
}
