// SPDX-License-Identifier: Apache-2.0
//
// Batches of waits and writes of a stream, and the memory pools of a location.
#include "late.h"

static CUstreamBatchMemOpParams write32(CUdeviceptr p, unsigned v) {
    CUstreamBatchMemOpParams o = {};
    o.writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
    o.writeValue.address = p;
    o.writeValue.value = v;
    return o;
}

static CUstreamBatchMemOpParams wait32(CUdeviceptr p, unsigned v) {
    CUstreamBatchMemOpParams o = {};
    o.waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
    o.waitValue.address = p;
    o.waitValue.value = v;
    o.waitValue.flags = CU_STREAM_WAIT_VALUE_EQ;
    return o;
}

static void batches(const char *symbol) {
    auto batch = late<CUresult(CUstream, unsigned, CUstreamBatchMemOpParams *, unsigned)>(symbol);
    CUstream first, second;
    CU(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
    CU(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    CUdeviceptr p = device_ints({0, 0, 0, 0});
    // The second stream goes on when the first has written; then it writes three more.
    CUstreamBatchMemOpParams later[] = {wait32(p, 7), write32(p + 4, 8), write32(p + 8, 9), write32(p + 12, 10)};
    CU(batch(second, 4, later, 0));
    EXPECT(cuStreamQuery(second) == CUDA_ERROR_NOT_READY, "%s: the stream does not wait", symbol);
    CUstreamBatchMemOpParams now = write32(p, 7);
    CU(batch(first, 1, &now, 0));
    CU(cuStreamSynchronize(second));
    expect_same(symbol, host_ints(p, 4), {7, 8, 9, 10});
    CU(cuMemFree(p));
    CU(cuStreamDestroy(first));
    CU(cuStreamDestroy(second));
}

struct Location {
    unsigned type;
    int id;
};

static void pools() {
    auto default_pool = late<CUresult(CUmemoryPool *, Location *, unsigned)>("cuMemGetDefaultMemPool");
    auto get_pool = late<CUresult(CUmemoryPool *, Location *, unsigned)>("cuMemGetMemPool");
    auto set_pool = late<CUresult(Location *, unsigned, CUmemoryPool)>("cuMemSetMemPool");
    Location here = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
    CUmemoryPool a, b, mine;
    CU(default_pool(&a, &here, CU_MEM_ALLOCATION_TYPE_PINNED));
    CU(cuDeviceGetDefaultMemPool(&b, 0));
    EXPECT(a == b, "two default pools of one GPU");
    CUmemPoolProps props = {};
    props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    CU(cuMemPoolCreate(&mine, &props));
    CU(set_pool(&here, CU_MEM_ALLOCATION_TYPE_PINNED, mine));
    CU(get_pool(&b, &here, CU_MEM_ALLOCATION_TYPE_PINNED));
    EXPECT(b == mine, "the pool that was set is not the one in use");
    CU(set_pool(&here, CU_MEM_ALLOCATION_TYPE_PINNED, a));
    CU(cuMemPoolDestroy(mine));
}

int main() {
    start();
    int memops;
    CU(cuDeviceGetAttribute(&memops, (CUdevice_attribute)122, 0)); // CAN_USE_64_BIT_STREAM_MEM_OPS
    EXPECT(memops == 0 || memops == 1, "an attribute is %d", memops);
    batches("cuStreamBatchMemOp_v2");
    int version;
    CU(cuDriverGetVersion(&version));
    if (version >= 13000) pools();

    auto notify = late<CUresult(CUdevice, void (*)(void *, void *, void *), void *, void **)>("cuDeviceRegisterAsyncNotification");
    auto unnotify = late<CUresult(CUdevice, void *)>("cuDeviceUnregisterAsyncNotification");
    void *handle = nullptr;
    CUresult r = notify(0, [](void *, void *, void *) {}, nullptr, &handle);
    if (r != CUDA_ERROR_NOT_SUPPORTED) {
        CU(r);
        CU(unnotify(0, handle));
    }
    if (version >= 13000) {
        auto atomics = late<CUresult(unsigned *, const unsigned *, unsigned, CUdevice)>("cuDeviceGetHostAtomicCapabilities");
        unsigned operations[] = {0, 9}, able[2] = {~0u, ~0u};
        CU(atomics(able, operations, 2, 0));
        EXPECT(able[0] < 128 && able[1] < 128, "capabilities %#x and %#x", able[0], able[1]);
    }
    return 0;
}
