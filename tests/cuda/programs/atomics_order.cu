// SPDX-License-Identifier: Apache-2.0
//
// Communication between blocks: the last block to finish sums what the others
// left, and a lock guards a plain counter.
#include "check.h"

__device__ unsigned finished;
__device__ int lock;

__global__ void last_block(const int *in, volatile long long *partial, long long *out, int n) {
    __shared__ long long sums[128];
    __shared__ bool last;
    int t = threadIdx.x;
    long long s = 0;
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x) s += in[i];
    sums[t] = s;
    for (int w = 64; w > 0; w /= 2) {
        __syncthreads();
        if (t < w) sums[t] += sums[t + w];
    }
    if (t == 0) {
        partial[blockIdx.x] = sums[0];
        __threadfence();
        last = atomicInc(&finished, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && t == 0) {
        __threadfence();
        long long total = 0;
        for (unsigned b = 0; b < gridDim.x; b++) total += partial[b];
        *out = total;
    }
}

__global__ void guarded(volatile int *counter, int rounds) {
    if (threadIdx.x != 0) return;
    for (int i = 0; i < rounds; i++) {
        while (atomicCAS(&lock, 0, 1) != 0) {
        }
        __threadfence();
        *counter = *counter + 1;
        __threadfence();
        atomicExch(&lock, 0);
    }
}

int main() {
    const int n = 20000, blocks = 13;
    std::vector<int> in(n);
    long long want = 0;
    for (int i = 0; i < n; i++) want += in[i] = i * 7919 % 10007 - 3000;
    int *data = to_device(in);
    long long *partial = device_array<long long>(blocks), *out = device_array<long long>(1);
    for (int round = 0; round < 3; round++) {
        CHECK(cudaMemset(out, 0, sizeof *out));
        last_block<<<blocks, 128>>>(data, partial, out, n);
        launched();
        expect_same("sum", to_host(out, 1), std::vector<long long>{want});
    }
    int *counter = to_device(std::vector<int>{0});
    guarded<<<8, 32>>>(counter, 20);
    launched();
    expect_same("guarded", to_host(counter, 1), std::vector<int>{160});
    return 0;
}
