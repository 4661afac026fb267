// SPDX-License-Identifier: Apache-2.0
//
// The last error is kept for a thread until it is asked for; names and texts.
#include "check.h"

__global__ void nothing() {}

int main() {
    CHECK(cudaGetLastError());
    EXPECT_ERROR(cudaSetDevice(999), cudaErrorInvalidDevice);
    CHECK(cudaDeviceSynchronize()); // success does not clear it
    EXPECT_ERROR(cudaPeekAtLastError(), cudaErrorInvalidDevice);
    EXPECT_ERROR(cudaPeekAtLastError(), cudaErrorInvalidDevice);
    EXPECT_ERROR(cudaGetLastError(), cudaErrorInvalidDevice);
    CHECK(cudaGetLastError());
    nothing<<<1, 4096>>>();
    cudaError_t shape = cudaPeekAtLastError();
    EXPECT(shape == cudaErrorInvalidConfiguration || shape == cudaErrorInvalidValue, "a wrong shape is %s", cudaGetErrorName(shape));
    // The later of two errors is the one kept.
    void *p;
    EXPECT_ERROR(cudaMalloc(&p, (size_t)1 << 50), cudaErrorMemoryAllocation);
    EXPECT_ERROR(cudaGetLastError(), cudaErrorMemoryAllocation);
    CHECK(cudaPeekAtLastError());
    EXPECT(strcmp(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation") == 0, "name is %s",
           cudaGetErrorName(cudaErrorMemoryAllocation));
    EXPECT(strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory") == 0, "text is %s",
           cudaGetErrorString(cudaErrorMemoryAllocation));
    EXPECT(strcmp(cudaGetErrorString(cudaSuccess), "no error") == 0, "text is %s", cudaGetErrorString(cudaSuccess));
    nothing<<<1, 1>>>();
    launched();
    return 0;
}
