// SPDX-License-Identifier: Apache-2.0
//
// Pointers of which the kind of memory is known only at run time.
#include "check.h"

__constant__ int in_constant[4] = {1000, 2000, 3000, 4000};
__device__ int in_global[4] = {100, 200, 300, 400};

__device__ __noinline__ int sum(const int *p, int n) {
    int s = 0;
    for (int i = 0; i < n; i++) s += p[i];
    return s;
}

__device__ __noinline__ void add(int *p, int v) { atomicAdd(p, v); }

__device__ unsigned kind(const void *p) {
    return (__isGlobal(p) ? 1 : 0) | (__isShared(p) ? 2 : 0) | (__isLocal(p) ? 4 : 0);
}

__global__ void compute(int *out, unsigned *kinds) {
    __shared__ int in_shared[4];
    int in_local[4] = {1, 2, 3, (int)threadIdx.x};
    if (threadIdx.x < 4) in_shared[threadIdx.x] = 10 * (threadIdx.x + 1);
    __syncthreads();
    const int *pointers[] = {in_constant, in_global, in_shared, in_local};
    const int *p = pointers[threadIdx.x % 4]; // divergent even within a warp
    out[threadIdx.x] = sum(p, 4);
    kinds[threadIdx.x] = kind(p);
    __syncthreads();
    add(threadIdx.x % 2 ? &in_shared[0] : &out[64], 1);
    __syncthreads();
    if (threadIdx.x == 0) out[65] = in_shared[0];
}

int main() {
    int *out = to_device(std::vector<int>(66, 0));
    unsigned *kinds = device_array<unsigned>(64);
    compute<<<1, 64>>>(out, kinds);
    launched();
    std::vector<int> want(66);
    std::vector<unsigned> kinds_want(64), kinds_got = to_host(kinds, 64);
    for (int t = 0; t < 64; t++) {
        const int sums[] = {10000, 1000, 100, 6 + t};
        const unsigned kind[] = {0, 1, 2, 4};
        want[t] = sums[t % 4];
        kinds_want[t] = kind[t % 4];
        if (t % 4 == 0) kinds_got[t] &= ~1u; // constants may or may not count as global
    }
    want[64] = 32;
    want[65] = 10 + 32;
    expect_same("sums", to_host(out, 66), want);
    expect_same("kinds of memory", kinds_got, kinds_want);
    return 0;
}
