// SPDX-License-Identifier: Apache-2.0
//
// After cudaDeviceReset a program starts anew, as often as it likes.
#include "check.h"

__device__ int counter = 5;
__global__ void increment(int *out) { *out = ++counter; }

int main() {
    for (int round = 0; round < 3; round++) {
        int *out = device_array<int>(1);
        increment<<<1, 1>>>(out);
        increment<<<1, 1>>>(out);
        launched();
        // Variables have their first value again.
        expect_same("counter", to_host(out, 1), std::vector<int>{7});
        CHECK(cudaDeviceReset());
    }
    return 0;
}
