// SPDX-License-Identifier: Apache-2.0
//
// Bitonic sort: in shared memory within blocks, through global memory beyond.
#include <algorithm>

#include "check.h"

#define BLOCK 512

__device__ void order(unsigned &a, unsigned &b, bool up) {
    if ((a > b) == up) {
        unsigned t = a;
        a = b;
        b = t;
    }
}

__global__ void within(unsigned *v, int size_from, int size_to) {
    __shared__ unsigned s[BLOCK];
    int t = threadIdx.x, base = blockIdx.x * BLOCK;
    s[t] = v[base + t];
    s[t + BLOCK / 2] = v[base + t + BLOCK / 2];
    for (int size = size_from; size <= size_to; size *= 2) {
        for (int stride = min(size, BLOCK) / 2; stride > 0; stride /= 2) {
            __syncthreads();
            int i = 2 * t - (t & (stride - 1));
            order(s[i], s[i + stride], ((base + i) & size) == 0);
        }
    }
    __syncthreads();
    v[base + t] = s[t];
    v[base + t + BLOCK / 2] = s[t + BLOCK / 2];
}

__global__ void across(unsigned *v, int size, int stride) {
    int t = blockIdx.x * blockDim.x + threadIdx.x, i = 2 * t - (t & (stride - 1));
    unsigned a = v[i], b = v[i + stride];
    order(a, b, (i & size) == 0);
    v[i] = a;
    v[i + stride] = b;
}

int main() {
    const int n = 1 << 13;
    std::vector<unsigned> v(n);
    Random random(21);
    for (unsigned &x : v) x = random.bits() >> random.below(20);
    unsigned *d = to_device(v);
    within<<<n / BLOCK, BLOCK / 2>>>(d, 2, BLOCK);
    for (int size = 2 * BLOCK; size <= n; size *= 2) {
        for (int stride = size / 2; stride >= BLOCK; stride /= 2) across<<<n / BLOCK, BLOCK / 2>>>(d, size, stride);
        within<<<n / BLOCK, BLOCK / 2>>>(d, size, size);
    }
    launched();
    std::vector<unsigned> got = to_host(d, n);
    std::sort(v.begin(), v.end());
    expect_same("sorted", got, v);
    return 0;
}
