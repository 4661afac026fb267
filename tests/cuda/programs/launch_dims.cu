// SPDX-License-Identifier: Apache-2.0
//
// Grids and blocks of one to three dimensions; every thread's indices are right,
// and each runs once.
#include "check.h"

__device__ unsigned special(int k) {
    unsigned r;
    switch (k) {
    case 0: asm volatile("mov.u32 %0, %%laneid;" : "=r"(r)); return r;
    case 1: asm volatile("mov.u32 %0, %%lanemask_lt;" : "=r"(r)); return r;
    case 2: asm volatile("mov.u32 %0, %%lanemask_ge;" : "=r"(r)); return r;
    default: asm volatile("mov.u32 %0, %%nctaid.y;" : "=r"(r)); return r;
    }
}

__global__ void mark(uint4 *out, unsigned *count) {
    unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    unsigned threads = blockDim.x * blockDim.y * blockDim.z;
    unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    unsigned lane = special(0), ok = lane == thread % 32 && special(1) == (1u << lane) - 1 &&
                                     special(2) == ~((1u << lane) - 1) && special(3) == gridDim.y &&
                                     warpSize == 32;
    unsigned i = block * threads + thread;
    out[i] = make_uint4(blockIdx.x | blockIdx.y << 8 | blockIdx.z << 16,
                        threadIdx.x | threadIdx.y << 10 | threadIdx.z << 20, gridDim.z * 1000 + blockDim.z, ok);
    atomicAdd(count + i, 1);
}

int main() {
    const struct { dim3 grid, block; } shapes[] = {
        {{1, 1, 1}, {1, 1, 1}},  {{7, 1, 1}, {33, 1, 1}}, {{3, 5, 1}, {8, 9, 1}},  {{2, 3, 4}, {5, 6, 7}},
        {{1, 1, 9}, {1, 1, 64}}, {{1, 17, 1}, {1, 1024, 1}}, {{4, 1, 1}, {32, 32, 1}},
    };
    for (const auto &s : shapes) {
        unsigned blocks = s.grid.x * s.grid.y * s.grid.z, threads = s.block.x * s.block.y * s.block.z;
        unsigned n = blocks * threads;
        uint4 *out = device_array<uint4>(n);
        unsigned *count = to_device(std::vector<unsigned>(n, 0));
        mark<<<s.grid, s.block>>>(out, count);
        launched();
        expect_same("threads that ran", to_host(count, n), std::vector<unsigned>(n, 1));
        std::vector<uint4> got = to_host(out, n);
        for (unsigned i = 0; i < n; i++) {
            unsigned b = i / threads, t = i % threads;
            unsigned block = b % s.grid.x | b / s.grid.x % s.grid.y << 8 | b / s.grid.x / s.grid.y << 16;
            unsigned thread = t % s.block.x | t / s.block.x % s.block.y << 10 | t / s.block.x / s.block.y << 20;
            EXPECT(got[i].x == block && got[i].y == thread && got[i].z == s.grid.z * 1000 + s.block.z && got[i].w,
                   "thread %u of block %u: %#x %#x %u %u", t, b, got[i].x, got[i].y, got[i].z, got[i].w);
        }
        CHECK(cudaFree(out));
        CHECK(cudaFree(count));
    }
    return 0;
}
