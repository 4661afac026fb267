// SPDX-License-Identifier: Apache-2.0
//
// Occupancy and cache settings by the driver.
#include "driver.h"

size_t shared_for(int threads) { return threads * 8; }

int main() {
    start();
    CUmodule module;
    CUfunction f;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&f, module, "add"));
    int blocks = -1, grid = 0, block = 0, sms = 0;
    CUdevice device;
    CU(cuCtxGetDevice(&device));
    CU(cuDeviceGetAttribute(&sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device));
    CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 256, 0));
    EXPECT(blocks >= 1, "%d blocks", blocks);
    CU(cuOccupancyMaxPotentialBlockSize(&grid, &block, f, nullptr, 0, 0));
    EXPECT(block >= 32 && block <= 1024 && grid >= sms, "%d blocks of %d on %d multiprocessors", grid, block, sms);
    CU(cuOccupancyMaxPotentialBlockSize(&grid, &block, f, shared_for, 0, 256));
    EXPECT(block >= 32 && block <= 256, "blocks of %d, at most 256 asked", block);
    size_t bytes = 0;
    CU(cuOccupancyAvailableDynamicSMemPerBlock(&bytes, f, 1, 128));
    EXPECT(bytes > 0, "%zu bytes of dynamic shared memory", bytes);
    CU(cuFuncSetCacheConfig(f, CU_FUNC_CACHE_PREFER_L1));
    CU(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_SHARED));
    size_t limit = 0;
    CU(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
    CU(cuCtxGetLimit(&limit, CU_LIMIT_STACK_SIZE));
    EXPECT(limit >= 4096, "the stack is %zu", limit);
    return 0;
}
