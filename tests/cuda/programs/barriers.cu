// SPDX-License-Identifier: Apache-2.0
//
// Barriers of a block: plain, counting, and, or, and named ones for a part of
// the block.
#include "check.h"

__global__ void votes(int *out) {
    int t = threadIdx.x, n = blockDim.x;
    int count = __syncthreads_count(t % 3 == 0);
    int all = __syncthreads_and(t < n), not_all = __syncthreads_and(t != 17);
    int any = __syncthreads_or(t == n - 1), none = __syncthreads_or(t > n);
    out[blockIdx.x * n + t] = count * 16 + (all != 0) * 8 + (not_all != 0) * 4 + (any != 0) * 2 + (none != 0);
}

// A value travels through all threads of the block, a step per barrier.
__global__ void ring(int *out, int rounds) {
    __shared__ int slots[2][192];
    int t = threadIdx.x, n = blockDim.x;
    slots[0][t] = t * t;
    __syncthreads();
    for (int r = 0; r < rounds; r++) {
        slots[(r + 1) & 1][(t + 1) % n] = slots[r & 1][t] + 1;
        __syncthreads();
    }
    out[t] = slots[rounds & 1][t];
}

// Producers and consumers meet at a barrier of their own.
__global__ void named(int *out) {
    __shared__ int box[64];
    int t = threadIdx.x;
    if (t < 64) {
        box[t] = t * 5;
        __threadfence_block(); // to arrive orders nothing
        asm volatile("bar.arrive 1, 128;" ::: "memory");
    } else {
        asm volatile("bar.sync 1, 128;" ::: "memory");
        out[t - 64] = box[127 - t];
    }
}

// Threads that have ended no longer count at a barrier.
__global__ void ended(int *out) {
    __shared__ int sum;
    int t = threadIdx.x;
    if (t >= 96) return;
    if (t == 0) sum = 0;
    __syncthreads();
    atomicAdd(&sum, t);
    __syncthreads();
    out[t] = sum;
}

int main() {
    for (int n : {1, 32, 45, 256, 1024}) {
        int *out = device_array<int>(n * 3);
        votes<<<3, n>>>(out);
        launched();
        int want = (n + 2) / 3 * 16 + 8 + (n <= 17) * 4 + 2;
        expect_same("votes", to_host(out, n * 3), std::vector<int>(n * 3, want));
    }
    int *out = device_array<int>(192);
    ring<<<1, 192>>>(out, 101);
    launched();
    std::vector<int> want(192);
    for (int t = 0; t < 192; t++) want[(t + 101) % 192] = t * t + 101;
    expect_same("ring", to_host(out, 192), want);
    named<<<1, 128>>>(out);
    launched();
    want.resize(64);
    for (int t = 0; t < 64; t++) want[t] = (63 - t) * 5;
    expect_same("named", to_host(out, 64), want);
    ended<<<1, 128>>>(out);
    launched();
    expect_same("ended", to_host(out, 96), std::vector<int>(96, 95 * 96 / 2));
    return 0;
}
