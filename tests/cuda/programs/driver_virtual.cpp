// SPDX-License-Identifier: Apache-2.0
//
// Physical memory that is given back by way of its address, as NCCL does: a mapping's handle is the one that it was made
// with, and has to be released as often as it was given. In many rounds, all of it comes back.
#include "driver.h"

static void round(size_t size, size_t granularity) {
    CUmemAllocationProp prop = {}, same = {};
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    CUmemGenericAllocationHandle made, given;
    CUdeviceptr p;
    CU(cuMemCreate(&made, size, &prop, 0));
    CU(cuMemAddressReserve(&p, size, granularity, 0, 0));
    CU(cuMemMap(p, size, 0, made, 0));
    CUmemAccessDesc access = {};
    access.location = prop.location;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    CU(cuMemSetAccess(p, size, &access, 1));
    CU(cuMemsetD32(p, 5, 1));

    CU(cuMemRetainAllocationHandle(&given, (void *)(p + size - 1)));
    EXPECT(given == made, "the handle of the mapping is %#llx, not %#llx", given, made);
    CU(cuMemRelease(given)); // the memory's own use is left
    CU(cuMemGetAllocationPropertiesFromHandle(&same, given));
    EXPECT(same.location.type == CU_MEM_LOCATION_TYPE_DEVICE, "the handle has other properties");
    unsigned word;
    CU(cuMemcpyDtoH(&word, p, sizeof word));
    EXPECT(word == 5, "the memory has %u", word);
    CU(cuMemUnmap(p, size));
    CU(cuMemRelease(given));
    CU(cuMemAddressFree(p, size));

    // Without a handle the memory stays as long as it is mapped, and has one again for who asks.
    CU(cuMemCreate(&made, size, &prop, 0));
    CU(cuMemAddressReserve(&p, size, granularity, 0, 0));
    CU(cuMemMap(p, size, 0, made, 0));
    CU(cuMemSetAccess(p, size, &access, 1));
    CU(cuMemRelease(made));
    CU(cuMemsetD32(p, 6, 1));
    CU(cuMemRetainAllocationHandle(&given, (void *)p));
    CU(cuMemRelease(given));
    CU(cuMemcpyDtoH(&word, p, sizeof word));
    EXPECT(word == 6, "the memory has %u", word);
    CU(cuMemUnmap(p, size));
    CU(cuMemAddressFree(p, size));
}

int main() {
    start();
    CUmemAllocationProp prop = {};
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    size_t granularity, available, total;
    CU(cuMemGetAllocationGranularity(&granularity, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    CU(cuMemGetInfo(&available, &total));
    size_t size = (available / 8 + granularity - 1) / granularity * granularity;
    for (size_t i = 0; i < total / size + 2; i++) round(size, granularity);
    return 0;
}
