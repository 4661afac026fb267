// SPDX-License-Identifier: Apache-2.0
//
// A trap ends the kernel with an error that stays, and no thread hangs.
#include "check.h"

__global__ void trap(int *out, int at) {
    if ((int)threadIdx.x == at) __trap();
    out[threadIdx.x] = 1;
}

int main() {
    int *out = device_array<int>(64);
    trap<<<1, 64>>>(out, 100);
    launched();
    expect_same("no trap", to_host(out, 64), std::vector<int>(64, 1));
    trap<<<1, 64>>>(out, 40);
    CHECK(cudaGetLastError());
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    void *p;
    EXPECT_ERROR(cudaMalloc(&p, 16), cudaErrorLaunchFailure);
    return 0;
}
