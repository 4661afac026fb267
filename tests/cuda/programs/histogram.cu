// SPDX-License-Identifier: Apache-2.0
//
// Histogram of bytes in shared memory, merged by atomics.
#include "check.h"

__global__ void histogram(const uchar4 *in, int n, unsigned *out) {
    __shared__ unsigned bins[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) bins[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        uchar4 v = in[i];
        atomicAdd(&bins[v.x], 1);
        atomicAdd(&bins[v.y], 1);
        atomicAdd(&bins[v.z], 1);
        atomicAdd(&bins[v.w], 1);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x)
        if (bins[i]) atomicAdd(&out[i], bins[i]);
}

int main() {
    const int n = 200000;
    std::vector<unsigned char> in(n);
    std::vector<unsigned> want(256);
    Random random(23);
    for (auto &v : in) {
        // Crowded bins and empty ones.
        v = (unsigned char)(random.below(3) ? random.below(8) : random.below(200));
        want[v]++;
    }
    unsigned *out = to_device(std::vector<unsigned>(256, 0));
    histogram<<<12, 192>>>((const uchar4 *)to_device(in), n / 4, out);
    launched();
    expect_same("bins", to_host(out, 256), want);
    return 0;
}
