// SPDX-License-Identifier: Apache-2.0
//
// Relocatable code without code for the GPU: the program has its units' PTX, and has the driver link them as it loads
// them. (Its last step is for an architecture as a text alone, so that nothing was linked before.)
// flags: -rdc=true
// link: -rdc=true -gencode arch=compute_75,code=compute_75 -Wno-deprecated-gpu-targets
#include "check.h"

__device__ int scale = 3;
__constant__ int offset;

__device__ __noinline__ int affine(int x) { return scale * x + offset; }

__global__ void fill(int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = affine(i);
}

int main() {
    const int n = 1000, five = 5;
    int *out = device_array<int>(n);
    CHECK(cudaMemcpyToSymbol(offset, &five, sizeof five));
    for (int factor : {3, 4}) {
        if (factor != 3) CHECK(cudaMemcpyToSymbol(scale, &factor, sizeof factor));
        fill<<<8, 128>>>(out, n);
        CHECK(cudaGetLastError());
        auto got = to_host(out, n);
        for (int i = 0; i < n; i++) EXPECT(got[i] == factor * i + five, "%d became %d", i, got[i]);
    }
    CHECK(cudaFree(out));
}
