// SPDX-License-Identifier: Apache-2.0
//
// Properties of the devices: sensible, and the same by every way of asking.
#include "check.h"

int attribute(cudaDeviceAttr a, int device) {
    int v = -1;
    CHECK(cudaDeviceGetAttribute(&v, a, device));
    return v;
}

int main() {
    int count = 0, driver = 0, runtime = 0;
    CHECK(cudaGetDeviceCount(&count));
    EXPECT(count >= 1, "there are %d devices", count);
    CHECK(cudaDriverGetVersion(&driver));
    CHECK(cudaRuntimeGetVersion(&runtime));
    EXPECT(runtime == CUDART_VERSION && driver >= runtime / 1000 * 1000, "runtime %d, driver %d", runtime, driver);
    for (int d = 0; d < count; d++) {
        cudaDeviceProp p;
        memset(&p, 0xFF, sizeof p);
        CHECK(cudaGetDeviceProperties(&p, d));
        EXPECT(strlen(p.name) > 0 && strlen(p.name) < sizeof p.name, "name is '%s'", p.name);
        EXPECT(p.major >= 6 && p.minor >= 0 && p.minor < 10, "compute capability %d.%d", p.major, p.minor);
        EXPECT(p.warpSize == 32 && p.maxThreadsPerBlock == 1024, "warps of %d, blocks of %d", p.warpSize, p.maxThreadsPerBlock);
        EXPECT(p.maxThreadsDim[0] == 1024 && p.maxThreadsDim[2] == 64 && p.maxGridSize[0] == INT32_MAX &&
                   p.maxGridSize[1] == 65535, "limits %d %d %d %d", p.maxThreadsDim[0], p.maxThreadsDim[2], p.maxGridSize[0],
               p.maxGridSize[1]);
        EXPECT(p.totalGlobalMem >= 64 << 20, "%zu bytes of memory", p.totalGlobalMem);
        EXPECT(p.sharedMemPerBlock >= 48 << 10 && p.regsPerBlock >= 32768 && p.totalConstMem == 65536,
               "shared %zu, registers %d, constant %zu", p.sharedMemPerBlock, p.regsPerBlock, p.totalConstMem);
        EXPECT(p.multiProcessorCount > 0 && p.unifiedAddressing == 1, "%d multiprocessors", p.multiProcessorCount);
        EXPECT(p.major == attribute(cudaDevAttrComputeCapabilityMajor, d) &&
                   p.minor == attribute(cudaDevAttrComputeCapabilityMinor, d), "capabilities differ");
        EXPECT(p.multiProcessorCount == attribute(cudaDevAttrMultiProcessorCount, d), "multiprocessors differ");
        EXPECT(p.maxThreadsPerMultiProcessor == attribute(cudaDevAttrMaxThreadsPerMultiProcessor, d), "threads differ");
        EXPECT((int)p.sharedMemPerBlockOptin == attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, d), "shared memory differs");
        EXPECT(p.pciBusID == attribute(cudaDevAttrPciBusId, d) && p.pciDomainID == attribute(cudaDevAttrPciDomainId, d),
               "PCI places differ");
        EXPECT(p.asyncEngineCount == attribute(cudaDevAttrAsyncEngineCount, d), "copy engines differ");
        EXPECT(attribute(cudaDevAttrMaxGridDimX, d) == p.maxGridSize[0], "grid limits differ");
        char bus[32];
        int found = -1;
        CHECK(cudaDeviceGetPCIBusId(bus, sizeof bus, d));
        CHECK(cudaDeviceGetByPCIBusId(&found, bus));
        EXPECT(found == d, "%s is device %d, want %d", bus, found, d);
        size_t free_bytes, total;
        CHECK(cudaSetDevice(d));
        CHECK(cudaMemGetInfo(&free_bytes, &total));
        EXPECT(total == p.totalGlobalMem, "memory is %zu and %zu", total, p.totalGlobalMem);
    }
    cudaDeviceProp wish = {};
    wish.major = 3;
    int chosen = -1;
    CHECK(cudaChooseDevice(&chosen, &wish));
    EXPECT(chosen >= 0 && chosen < count, "chosen device is %d", chosen);
    int v;
    EXPECT_ERROR(cudaDeviceGetAttribute(&v, cudaDevAttrWarpSize, count), cudaErrorInvalidDevice);
    EXPECT_ERROR(cudaSetDevice(count), cudaErrorInvalidDevice);
    EXPECT_ERROR(cudaSetDevice(-1), cudaErrorInvalidDevice);
    return 0;
}
