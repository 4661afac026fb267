// SPDX-License-Identifier: Apache-2.0
//
// What the driver knows of pointers: one attribute and several at once.
#include "driver.h"

int main() {
    CUcontext context = start();
    CUdeviceptr p;
    void *pinned;
    int plain = 0;
    CU(cuMemAlloc(&p, 1000));
    CU(cuMemHostAlloc(&pinned, 1000, CU_MEMHOSTALLOC_DEVICEMAP));
    CUcontext owner;
    unsigned type = 0;
    int ordinal = -1;
    unsigned long long id1 = 0, id2 = 0;
    CU(cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, p + 10));
    CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p + 10));
    CU(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, p));
    EXPECT(owner == context && type == CU_MEMORYTYPE_DEVICE && ordinal == 0, "context %p, type %u, device %d", (void *)owner, type, ordinal);
    CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)pinned));
    EXPECT(type == CU_MEMORYTYPE_HOST, "pinned memory has type %u", type);
    EXPECT_CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)&plain), CUDA_ERROR_INVALID_VALUE);
    CU(cuPointerGetAttribute(&id1, CU_POINTER_ATTRIBUTE_BUFFER_ID, p));
    CU(cuPointerGetAttribute(&id2, CU_POINTER_ATTRIBUTE_BUFFER_ID, (CUdeviceptr)pinned));
    EXPECT(id1 != id2, "two allocations have one id");

    CUdeviceptr start = 0;
    size_t size = 0;
    unsigned type2 = 99;
    CUpointer_attribute attributes[] = {CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, CU_POINTER_ATTRIBUTE_RANGE_SIZE, CU_POINTER_ATTRIBUTE_MEMORY_TYPE};
    void *values[] = {&start, &size, &type2};
    CU(cuPointerGetAttributes(3, attributes, values, p + 500));
    EXPECT(start == p && size == 1000 && type2 == CU_MEMORYTYPE_DEVICE, "start %#llx, size %zu, type %u", (unsigned long long)start, size, type2);
    // Of memory that is unknown the answer is empty, and no error.
    CU(cuPointerGetAttributes(3, attributes, values, (CUdeviceptr)&plain));
    EXPECT(type2 == 0, "plain memory has type %u", type2);
    CUdeviceptr alias;
    CU(cuMemHostGetDevicePointer(&alias, pinned, 0));
    EXPECT(alias == (CUdeviceptr)pinned, "the device knows pinned memory by another address");
    for (unsigned ask : {1u, 0u}) {
        unsigned sync = 0;
        CU(cuPointerSetAttribute(&ask, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p));
        CU(cuPointerGetAttribute(&sync, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p + 8));
        EXPECT(sync == ask, "SYNC_MEMOPS is %u, and was set to %u", sync, ask);
    }
    unsigned ask = 1;
    EXPECT_CU(cuPointerSetAttribute(&ask, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, (CUdeviceptr)&plain), CUDA_ERROR_INVALID_VALUE);
    CU(cuMemFreeHost(pinned));
    CU(cuMemFree(p));
    EXPECT_CU(cuMemFree(p), CUDA_ERROR_INVALID_VALUE);
    return 0;
}
