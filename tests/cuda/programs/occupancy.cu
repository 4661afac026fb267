// SPDX-License-Identifier: Apache-2.0
//
// Occupancy queries agree with each other and with the limits of the device.
#include "check.h"

__global__ void small(float *v) { v[threadIdx.x] *= 2; }

__global__ void __launch_bounds__(256) bounded(float *v) {
    __shared__ float tile[2048];
    tile[threadIdx.x] = v[threadIdx.x];
    __syncthreads();
    v[threadIdx.x] = tile[255 - threadIdx.x];
}

size_t dynamic_size(int threads) { return threads * 16; }

int main() {
    cudaDeviceProp p;
    CHECK(cudaGetDeviceProperties(&p, 0));
    int last = 1 << 30;
    for (int threads = 32; threads <= 1024; threads *= 2) {
        int blocks = -1;
        CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, small, threads, 0));
        EXPECT(blocks >= 1 && blocks * threads <= p.maxThreadsPerMultiProcessor && blocks <= last,
               "%d blocks of %d threads, of %d", blocks, threads, p.maxThreadsPerMultiProcessor);
        last = blocks;
    }
    // 40 KiB each: shared memory is the limit.
    int blocks = -1;
    CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, small, 32, 40 << 10));
    EXPECT(blocks >= 1 && (size_t)blocks * (40 << 10) <= p.sharedMemPerMultiprocessor, "%d blocks of 40 KiB of %zu", blocks,
           p.sharedMemPerMultiprocessor);

    int grid = 0, block = 0;
    CHECK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, small, 0, 0));
    EXPECT(block >= 32 && block <= p.maxThreadsPerBlock && block % 32 == 0 && grid >= p.multiProcessorCount,
           "%d blocks of %d", grid, block);
    CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, small, block, 0));
    EXPECT(grid == blocks * p.multiProcessorCount, "grid of %d, %d on each of %d multiprocessors", grid, blocks,
           p.multiProcessorCount);
    CHECK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, bounded, 0, 0));
    EXPECT(block <= 256, "blocks of %d, launch bounds are 256", block);
    CHECK(cudaOccupancyMaxPotentialBlockSizeVariableSMem(&grid, &block, small, dynamic_size, 0));
    EXPECT(block >= 32 && dynamic_size(block) <= p.sharedMemPerBlock, "%d blocks of %d", grid, block);
    float *v = device_array<float>(1024);
    small<<<1, block>>>(v);
    launched();
    return 0;
}
