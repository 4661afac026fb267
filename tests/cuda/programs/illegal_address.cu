// SPDX-License-Identifier: Apache-2.0
//
// A kernel that touches an address that is none: the error comes with the next
// call that waits, and every call after it gives it again.
#include "check.h"

__global__ void touch(int *p) { *p = 1; }
__global__ void fine(int *p) { *p = 2; }

int main() {
    int *v = device_array<int>(1), host = 0;
    fine<<<1, 1>>>(v);
    launched();
    touch<<<1, 1>>>((int *)0x10);
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    EXPECT_ERROR(cudaGetLastError(), cudaErrorIllegalAddress);
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    EXPECT_ERROR(cudaMemcpy(&host, v, sizeof host, cudaMemcpyDeviceToHost), cudaErrorIllegalAddress);
    void *p;
    EXPECT_ERROR(cudaMalloc(&p, 16), cudaErrorIllegalAddress);
    cudaStream_t s;
    EXPECT_ERROR(cudaStreamCreate(&s), cudaErrorIllegalAddress);
    fine<<<1, 1>>>(v);
    EXPECT_ERROR(cudaGetLastError(), cudaErrorIllegalAddress);
    EXPECT(host == 0, "a copy after the error gave %d", host);
    return 0;
}
