// SPDX-License-Identifier: Apache-2.0
//
// A sparse array: memory is mapped to one of its tiles, used, and taken away.
#include "driver.h"

int main() {
    CUcontext context = start();
    int sparse = 0, virtual_memory = 0;
    CU(cuDeviceGetAttribute(&sparse, CU_DEVICE_ATTRIBUTE_SPARSE_CUDA_ARRAY_SUPPORTED, 0));
    CU(cuDeviceGetAttribute(&virtual_memory, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0));
    if (!sparse || !virtual_memory) SKIP("the device has no sparse arrays");

    CUDA_ARRAY3D_DESCRIPTOR d = {};
    d.Width = d.Height = 4096;
    d.Format = CU_AD_FORMAT_FLOAT;
    d.NumChannels = 1;
    d.Flags = CUDA_ARRAY3D_SPARSE;
    CUarray array;
    CU(cuArray3DCreate(&array, &d));
    CUDA_ARRAY_SPARSE_PROPERTIES tile = {};
    CU(cuArrayGetSparseProperties(&tile, array));
    size_t w = tile.tileExtent.width, h = tile.tileExtent.height;
    EXPECT(w > 0 && h > 0 && w <= 4096 && h <= 4096, "a tile of %zu by %zu", w, h);

    CUmemAllocationProp prop = {};
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    prop.allocFlags.usage = CU_MEM_CREATE_USAGE_TILE_POOL;
    size_t granularity;
    CUmemGenericAllocationHandle memory;
    CU(cuMemGetAllocationGranularity(&granularity, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    CU(cuMemCreate(&memory, (w * h * 4 + granularity - 1) / granularity * granularity, &prop, 0));
    CUarrayMapInfo map = {};
    map.resourceType = CU_RESOURCE_TYPE_ARRAY;
    map.resource.array = array;
    map.subresourceType = CU_ARRAY_SPARSE_SUBRESOURCE_TYPE_SPARSE_LEVEL;
    map.subresource.sparseLevel.extentWidth = w;
    map.subresource.sparseLevel.extentHeight = h;
    map.subresource.sparseLevel.extentDepth = 1;
    map.memOperationType = CU_MEM_OPERATION_TYPE_MAP;
    map.memHandleType = CU_MEM_HANDLE_TYPE_GENERIC;
    map.memHandle.memHandle = memory;
    map.deviceBitMask = 1;
    CUstream s;
    CU(cuStreamCreate(&s, 0));
    CU(cuMemMapArrayAsync(&map, 1, s));
    CU(cuStreamSynchronize(s));

    std::vector<int> v(w * h), back(w * h);
    for (size_t i = 0; i < v.size(); i++) v[i] = (int)i;
    CUDA_MEMCPY2D c = {};
    c.srcMemoryType = CU_MEMORYTYPE_HOST, c.srcHost = v.data(), c.srcPitch = w * 4;
    c.dstMemoryType = CU_MEMORYTYPE_ARRAY, c.dstArray = array;
    c.WidthInBytes = w * 4, c.Height = h;
    CU(cuMemcpy2D(&c));
    c = {};
    c.srcMemoryType = CU_MEMORYTYPE_ARRAY, c.srcArray = array;
    c.dstMemoryType = CU_MEMORYTYPE_HOST, c.dstHost = back.data(), c.dstPitch = w * 4;
    c.WidthInBytes = w * 4, c.Height = h;
    CU(cuMemcpy2D(&c));
    expect_same("a tile", back, v);

    map.memOperationType = CU_MEM_OPERATION_TYPE_UNMAP;
    map.memHandle.memHandle = 0;
    CU(cuMemMapArrayAsync(&map, 1, s));
    CU(cuStreamSynchronize(s));
    CU(cuMemRelease(memory));
    CU(cuArrayDestroy(array));
    CU(cuStreamDestroy(s));
    CU(cuCtxDestroy(context));
    return 0;
}
