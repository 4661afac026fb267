// SPDX-License-Identifier: Apache-2.0
//
// Pinned memory that a kernel reads and writes in place, and its flags.
#include "check.h"

__global__ void scale(const int *in, int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = in[i] * 3 + 1;
}

__global__ void count(int *counter) { atomicAdd(counter, 1); }

int main() {
    const int n = 10000;
    int *in, *out, *in_device, *out_device;
    CHECK(cudaHostAlloc(&in, n * sizeof(int), cudaHostAllocMapped | cudaHostAllocWriteCombined));
    CHECK(cudaHostAlloc(&out, n * sizeof(int), cudaHostAllocMapped | cudaHostAllocPortable));
    CHECK(cudaHostGetDevicePointer(&in_device, in, 0));
    CHECK(cudaHostGetDevicePointer(&out_device, out, 0));
    for (int r = 0; r < 3; r++) {
        for (int i = 0; i < n; i++) in[i] = i * (r + 1);
        scale<<<(n + 127) / 128, 128>>>(in_device, out_device, n);
        launched();
        for (int i = 0; i < n; i++)
            EXPECT(out[i] == i * (r + 1) * 3 + 1, "round %d: %d is %d, want %d", r, i, out[i], i * (r + 1) * 3 + 1);
    }
    // An address within the block maps to the same place.
    int *inner;
    CHECK(cudaHostGetDevicePointer(&inner, out + 100, 0));
    EXPECT(inner == out_device + 100, "inner pointer is %p, want %p", (void *)inner, (void *)(out_device + 100));
    int *counter;
    CHECK(cudaMallocHost(&counter, sizeof(int)));
    *counter = 5;
    count<<<10, 50>>>(counter); // under unified addresses the pointer is the same
    launched();
    EXPECT(*counter == 505, "the counter is %d, want 505", *counter);
    unsigned flags = 0;
    CHECK(cudaHostGetFlags(&flags, out));
    EXPECT(flags & cudaHostAllocMapped && flags & cudaHostAllocPortable, "flags are %#x", flags);

    // Many blocks, freed in another order.
    std::vector<char *> blocks;
    for (int i = 0; i < 64; i++) {
        char *p;
        CHECK(cudaMallocHost(&p, 1000 + i * 777));
        memset(p, i, 1000 + i * 777);
        blocks.push_back(p);
    }
    for (int i = 0; i < 64; i++) {
        int k = i * 37 % 64;
        EXPECT(blocks[k][0] == k && blocks[k][999 + k * 777] == k, "block %d was written to", k);
        CHECK(cudaFreeHost(blocks[k]));
    }
    CHECK(cudaFreeHost(in));
    CHECK(cudaFreeHost(out));
    EXPECT_ERROR(cudaFreeHost(&flags), cudaErrorInvalidValue);
    return 0;
}
