// SPDX-License-Identifier: Apache-2.0
//
// An access that is not aligned to its size is an error of its own.
#include "check.h"

__global__ void load(const char *p, long long *out) { *out = *(const long long *)p; }

int main() {
    char *p = device_array<char>(64);
    long long *out = device_array<long long>(1);
    load<<<1, 1>>>(p + 8, out);
    launched();
    load<<<1, 1>>>(p + 4, out);
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorMisalignedAddress);
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorMisalignedAddress);
    return 0;
}
