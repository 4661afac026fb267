// SPDX-License-Identifier: Apache-2.0
//
// Memory of cudaMalloc that is freed in the order of a stream, as NVIDIA's own libraries do: it serves what is before that in
// the stream, and all of it comes back.
#include "check.h"

__global__ void wait_for(volatile int *flag) {
    while (!*flag) {}
}

__global__ void fill(int *v, int n, int with) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) v[i] = with;
}

__global__ void sum(const int *v, int n, int *out) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) atomicAdd(out, v[i]);
}

int main() {
    const int n = 1 << 16;
    int *flag, *out = to_device(std::vector<int>(1, 0));
    cudaStream_t s;
    CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    CHECK(cudaHostAlloc(&flag, sizeof *flag, cudaHostAllocMapped));

    *(volatile int *)flag = 0;
    int *v = device_array<int>(n);
    wait_for<<<1, 1, 0, s>>>(flag);
    fill<<<1, 256, 0, s>>>(v, n, 3);
    sum<<<1, 256, 0, s>>>(v, n, out);
    CHECK(cudaFreeAsync(v, s));
    int *other; // not where the first still is
    CHECK(cudaMallocAsync(&other, n * sizeof *other, s));
    fill<<<1, 256, 0, s>>>(other, n, 5);
    CHECK(cudaFreeAsync(other, s));
    *(volatile int *)flag = 1;
    CHECK(cudaStreamSynchronize(s));
    expect_same("sum", to_host(out, 1), std::vector<int>(1, 3 * n));

    size_t available, total;
    CHECK(cudaMemGetInfo(&available, &total));
    for (int round = 0; round < 12; round++) {
        CHECK(cudaMalloc(&v, available / 4));
        fill<<<1, 256, 0, s>>>(v, n, round);
        CHECK(cudaFreeAsync(v, s));
        CHECK(cudaStreamSynchronize(s));
    }
    CHECK(cudaFreeHost(flag));
    CHECK(cudaFree(out));
    return 0;
}
