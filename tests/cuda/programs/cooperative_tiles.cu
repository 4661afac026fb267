// SPDX-License-Identifier: Apache-2.0
//
// Tiles of several warps, whose barriers lie in the system's part of shared memory, behind what the kernel has there.
// arch: 80
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

#include "check.h"

#if CUDART_VERSION >= 12000
namespace cg = cooperative_groups;

template <int size> __global__ void sums(const int *in, int *out, int *left) {
    extern __shared__ int dynamic[];
    __shared__ int fixed[3];
    __shared__ cg::block_tile_memory<1024> scratch; // takes no room where the system has some
    cg::thread_block block = cg::this_thread_block(scratch);
    auto tile = cg::tiled_partition<size>(block);
    int t = block.thread_rank();
    dynamic[t] = t;
    if (t < 3) fixed[t] = -t;
    for (int round = 0; round < 3; round++) {
        int sum = cg::reduce(tile, in[block.group_index().x * block.size() + t] + round, cg::plus<int>());
        out[(round * gridDim.x + block.group_index().x) * block.size() + t] = sum;
    }
    block.sync();
    if (dynamic[block.size() - 1 - t] != (int)block.size() - 1 - t || (t < 3 && fixed[t] != -t)) atomicAdd(left, 1);
}

template <int size> static void check(int blocks, int n) {
    std::vector<int> in(blocks * n), want;
    for (int i = 0; i < blocks * n; i++) in[i] = i * 7919 % 1000;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < blocks * n; i++) {
            int sum = 0, first = i / n * n + i % n / size * size;
            for (int j = first; j < first + size; j++) sum += in[j] + round;
            want.push_back(sum);
        }
    }
    int *from = to_device(in), *out = device_array<int>(want.size()), *left = to_device(std::vector<int>(1, 0));
    sums<size><<<blocks, n, n * sizeof(int)>>>(from, out, left);
    launched();
    expect_same("sums of tiles", to_host(out, want.size()), want);
    expect_same("shared memory that changed", to_host(left, 1), std::vector<int>(1, 0));
}

int main() {
    cudaDeviceProp properties;
    CHECK(cudaGetDeviceProperties(&properties, 0));
    if (properties.major < 8) SKIP("needs compute capability 8.0");
    check<64>(3, 256);
    check<512>(2, 1024);
}
#else
int main() { SKIP("needs CUDA 12"); }
#endif
