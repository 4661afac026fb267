// SPDX-License-Identifier: Apache-2.0
//
// Pi by random numbers, each thread with a generator of its own; the count is
// the same to the last hit as the CPU's.
#include "check.h"

__host__ __device__ unsigned long long mix(unsigned long long x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

__host__ __device__ unsigned hits(int thread, int samples) {
    unsigned long long s = mix(thread);
    unsigned count = 0;
    for (int i = 0; i < samples; i++) {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        unsigned long long x = s & 0xffffff, y = s >> 40;
        count += x * x + y * y < 1ull << 48;
    }
    return count;
}

__global__ void count(unsigned long long *total, int samples) {
    unsigned c = hits(blockIdx.x * blockDim.x + threadIdx.x, samples);
    for (int d = 16; d > 0; d /= 2) c += __shfl_xor_sync(0xffffffff, c, d);
    if (threadIdx.x % 32 == 0) atomicAdd(total, c);
}

int main() {
    const int blocks = 16, threads = 128, samples = 200;
    unsigned long long *total = to_device(std::vector<unsigned long long>{0}), want = 0;
    count<<<blocks, threads>>>(total, samples);
    launched();
    for (int t = 0; t < blocks * threads; t++) want += hits(t, samples);
    expect_same("hits", to_host(total, 1), std::vector<unsigned long long>{want});
    double pi = 4.0 * want / ((double)blocks * threads * samples);
    EXPECT(fabs(pi - 3.14159265) < 0.02, "pi is about %g", pi);
    return 0;
}
