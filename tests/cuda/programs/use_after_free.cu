// SPDX-License-Identifier: Apache-2.0
//
// A kernel that uses memory after it was freed is stopped by an error.
#include "check.h"

__global__ void touch(int *p) { p[threadIdx.x] = 1; }

int main() {
    // So large that the address range is given back with it.
    int *p;
    CHECK(cudaMalloc(&p, 64 << 20));
    touch<<<1, 32>>>(p);
    launched();
    CHECK(cudaFree(p));
    touch<<<1, 32>>>(p);
    CHECK(cudaGetLastError());
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    return 0;
}
