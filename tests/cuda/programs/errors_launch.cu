// SPDX-License-Identifier: Apache-2.0
//
// Launches that cannot be: each gives its error at once, runs nothing, and
// leaves the device in order.
#include "check.h"

__global__ void mark(int *v) { *v = 1; }
extern __shared__ int dynamic[];
__global__ void shared(int *v) { dynamic[0] = *v; *v = dynamic[0] + 1; }

int main() {
    int *v = to_device(std::vector<int>{0});
    const struct { dim3 grid, block; size_t shared; cudaError_t want; } bad[] = {
        {1, 1025, 0, cudaErrorInvalidConfiguration},
        {1, 0, 0, cudaErrorInvalidConfiguration},
        {0, 1, 0, cudaErrorInvalidConfiguration},
        {1, dim3(1, 1, 65), 0, cudaErrorInvalidConfiguration},
        {1, dim3(32, 33), 0, cudaErrorInvalidConfiguration},
        {dim3(1, 65536), 1, 0, cudaErrorInvalidConfiguration},
        {dim3(1, 1, 65536), 1, 0, cudaErrorInvalidConfiguration},
        {1, 1, 49 << 10, cudaErrorInvalidValue},
        {1, 1, 1 << 30, cudaErrorInvalidValue},
    };
    for (const auto &b : bad) {
        mark<<<b.grid, b.block, b.shared>>>(v);
        cudaError_t got = cudaGetLastError();
        // CUDA 13 tells a wrong shape by the general error.
        EXPECT(got == b.want || got == cudaErrorInvalidValue, "grid %u %u %u, block %u %u %u, shared %zu: %s, want %s", b.grid.x, b.grid.y, b.grid.z,
               b.block.x, b.block.y, b.block.z, b.shared, cudaGetErrorName(got), cudaGetErrorName(b.want));
        CHECK(cudaDeviceSynchronize());
    }
    expect_same("nothing ran", to_host(v, 1), std::vector<int>{0});
    shared<<<1, 1, 48 << 10>>>(v);
    launched();
    mark<<<dim3(1 << 16), 1>>>(v); // a grid may be wide in x
    launched();
    expect_same("ran", to_host(v, 1), std::vector<int>{1});
    int not_a_kernel = 0;
    void *args[] = {&v};
    cudaError_t unknown = cudaLaunchKernel(&not_a_kernel, 1, 1, args, 0, 0); // CUDA 13 speaks of a handle
    EXPECT(unknown == cudaErrorInvalidDeviceFunction || unknown == cudaErrorInvalidResourceHandle, "%s", cudaGetErrorName(unknown));
    cudaGetLastError();
    CHECK(cudaLaunchKernel((void *)mark, 1, 1, args, 0, 0));
    CHECK(cudaDeviceSynchronize());
    return 0;
}
