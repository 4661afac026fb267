// SPDX-License-Identifier: Apache-2.0
//
// Managed memory by locations and in batches: advice, prefetching, discarding.
#include "late.h"

struct Location {
    unsigned type;
    int id;
};

enum { DEVICE = 1, HOST = 2, READ_MOSTLY = 1, LAST_PREFETCH_TYPE = 7, LAST_PREFETCH_ID = 8, PREFERRED_TYPE = 5 };

static int attribute(CUdeviceptr p, size_t n, int which) {
    int v = -77;
    CU(cuMemRangeGetAttribute(&v, sizeof v, (CUmem_range_attribute)which, p, n));
    return v;
}

int main() {
    start();
    auto advise = late<CUresult(CUdeviceptr, size_t, unsigned, Location)>("cuMemAdvise_v2");
    auto prefetch = late<CUresult(CUdeviceptr, size_t, Location, unsigned, CUstream)>("cuMemPrefetchAsync_v2");
    const size_t page = 65536;
    CUdeviceptr p;
    CUstream s;
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    CU(cuMemAllocManaged(&p, 4 * page, CU_MEM_ATTACH_GLOBAL));
    memset((void *)p, 1, 4 * page);
    Location gpu = {DEVICE, 0}, cpu = {HOST, 0}, nowhere = {DEVICE, 4711};
    CUresult r = prefetch(p, 2 * page, gpu, 0, s);
    if (r == CUDA_ERROR_INVALID_DEVICE) SKIP("this GPU does not prefetch managed memory");
    CU(r);
    CU(prefetch(p + 2 * page, 2 * page, cpu, 0, s));
    CU(cuStreamSynchronize(s));
    EXPECT(attribute(p, 2 * page, LAST_PREFETCH_TYPE) == DEVICE && attribute(p, 2 * page, LAST_PREFETCH_ID) == 0, "not to the GPU");
    EXPECT(attribute(p + 2 * page, page, LAST_PREFETCH_TYPE) == HOST, "not to the host");
    EXPECT(attribute(p, 4 * page, LAST_PREFETCH_TYPE) == 0, "all of it to one place");
    EXPECT(prefetch(p, page, nowhere, 0, s) != CUDA_SUCCESS, "memory goes to a GPU that is not there");
    EXPECT(prefetch(p, 5 * page, gpu, 0, s) != CUDA_SUCCESS, "more is prefetched than there is");
    CU(advise(p, page, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, cpu));
    EXPECT(attribute(p, page, PREFERRED_TYPE) == HOST && attribute(p, 2 * page, PREFERRED_TYPE) == 0, "another preferred location");
    CU(advise(p, page, CU_MEM_ADVISE_SET_READ_MOSTLY, gpu));
    EXPECT(attribute(p, page, READ_MOSTLY) == 1, "no read duplication");

    int version;
    CU(cuDriverGetVersion(&version));
    if (version >= 13000) {
        auto batch = late<CUresult(CUdeviceptr *, size_t *, size_t, Location *, size_t *, size_t, unsigned long long, CUstream)>("cuMemPrefetchBatchAsync");
        auto both =
            late<CUresult(CUdeviceptr *, size_t *, size_t, Location *, size_t *, size_t, unsigned long long, CUstream)>("cuMemDiscardAndPrefetchBatchAsync");
        auto discard = late<CUresult(CUdeviceptr *, size_t *, size_t, unsigned long long, CUstream)>("cuMemDiscardBatchAsync");
        CUdeviceptr parts[] = {p, p + page, p + 3 * page};
        size_t sizes[] = {page, page, page}, first[] = {0, 2};
        Location places[] = {cpu, gpu};
        CU(batch(parts, sizes, 3, places, first, 2, 0, s));
        CU(cuStreamSynchronize(s));
        EXPECT(attribute(p, 2 * page, LAST_PREFETCH_TYPE) == HOST, "the first two parts are not at the host");
        EXPECT(attribute(p + 3 * page, page, LAST_PREFETCH_TYPE) == DEVICE, "the third is not at the GPU");
        CU(discard(parts + 2, sizes, 1, 0, s));
        CU(both(parts, sizes, 1, places + 1, first, 1, 0, s));
        CU(cuStreamSynchronize(s));
        EXPECT(attribute(p, page, LAST_PREFETCH_TYPE) == DEVICE, "not prefetched after it was discarded");
        size_t wrong[] = {1};
        EXPECT_CU(batch(parts, sizes, 3, places, wrong, 1, 0, s), CUDA_ERROR_INVALID_VALUE);
        EXPECT_CU(batch(parts, sizes, 3, places, first, 2, 0, nullptr), CUDA_ERROR_INVALID_VALUE);
        sizes[2] = 2 * page;
        EXPECT(discard(parts, sizes, 3, 0, s) != CUDA_SUCCESS, "more is discarded than there is");
    }
    EXPECT(((volatile char *)p)[2 * page] == 1, "what was not discarded has changed");
    CUdeviceptr device;
    CU(cuMemAlloc(&device, page));
    EXPECT(advise(device, page, CU_MEM_ADVISE_SET_READ_MOSTLY, gpu) != CUDA_SUCCESS, "device memory takes advice");
    CU(cuMemFree(device));
    CU(cuMemFree(p));
    CU(cuStreamDestroy(s));
    return 0;
}
