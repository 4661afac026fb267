// SPDX-License-Identifier: Apache-2.0
//
// A texture object may be destroyed right behind the launch that reads it: programs (NVIDIA's convolutionFFT2D is one)
// do not wait for the kernel first.
#include "check.h"

// late reads the texture after the host has destroyed it, or after a while, should destroying it wait for the kernel.
__global__ void late(cudaTextureObject_t t, const volatile int *destroyed, int *out, int n) {
    for (int i = 0; i < 100000 && !*destroyed; i++) {}
    int i = threadIdx.x;
    if (i < n) out[i] = tex1Dfetch<int>(t, i);
}

int main() {
    const int n = 32;
    std::vector<int> v(n);
    for (int i = 0; i < n; i++) v[i] = i * i + 7;
    int *d = to_device(v), *out = device_array<int>(n), *destroyed;
    CHECK(cudaHostAlloc(&destroyed, sizeof *destroyed, cudaHostAllocMapped));
    for (int round = 0; round < 3; round++) {
        cudaResourceDesc r = {};
        r.resType = cudaResourceTypeLinear;
        r.res.linear.devPtr = d;
        r.res.linear.desc = cudaCreateChannelDesc<int>();
        r.res.linear.sizeInBytes = n * sizeof(int);
        cudaTextureDesc t = {};
        cudaTextureObject_t texture;
        CHECK(cudaCreateTextureObject(&texture, &r, &t, nullptr));
        *(volatile int *)destroyed = 0;
        CHECK(cudaMemset(out, 0, n * sizeof(int)));
        late<<<1, n>>>(texture, destroyed, out, n);
        CHECK(cudaDestroyTextureObject(texture));
        *(volatile int *)destroyed = 1;
        CHECK(cudaDeviceSynchronize());
        EXPECT(to_host(out, n) == v, "round %d: the texture was not read", round);
    }
    CHECK(cudaFreeHost(destroyed));
    CHECK(cudaFree(d));
    CHECK(cudaFree(out));
}
