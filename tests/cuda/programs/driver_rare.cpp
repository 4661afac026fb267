// SPDX-License-Identifier: Apache-2.0
//
// What few GPUs have: where an attribute says that this one does not, calls say so too.
#include "late.h"

static int attribute(int which) {
    int v = 0;
    return cuDeviceGetAttribute(&v, (CUdevice_attribute)which, 0) == CUDA_SUCCESS ? v : 0;
}

struct Multicast {
    unsigned devices;
    size_t size;
    unsigned long long types, flags;
};

static void multicast() {
    auto create = late<CUresult(CUmemGenericAllocationHandle *, const Multicast *)>("cuMulticastCreate");
    auto add = late<CUresult(CUmemGenericAllocationHandle, CUdevice)>("cuMulticastAddDevice");
    auto granularity = late<CUresult(size_t *, const Multicast *, unsigned)>("cuMulticastGetGranularity");
    const int SUPPORTED = 132;
    Multicast prop = {1, 2 << 20, 0, 0};
    CUmemGenericAllocationHandle h = 0;
    size_t unit = 0;
    if (attribute(SUPPORTED)) return; // needs a switch and its manager, which a test does not have
    CUresult r = granularity(&unit, &prop, 0);
    EXPECT(r != CUDA_SUCCESS || unit > 0, "a granularity of 0");
    EXPECT(create(&h, &prop) != CUDA_SUCCESS, "a multicast object without multicast");
    EXPECT(add(h, 0) != CUDA_SUCCESS, "a GPU in no multicast object");
    EXPECT(create(nullptr, &prop) != CUDA_SUCCESS && create(&h, nullptr) != CUDA_SUCCESS, "an object of nothing");
}

struct Decompress {
    size_t in, out;
    unsigned *written;
    const void *src;
    void *dst;
    unsigned algorithm;
    unsigned char padding[20];
};
static_assert(sizeof(Decompress) == 64, "CUmemDecompressParams has another size");

static void decompress() {
    auto run = late<CUresult(Decompress *, size_t, unsigned, size_t *, CUstream)>("cuMemBatchDecompressAsync");
    const int ALGORITHMS = 136;
    CUdeviceptr p;
    CU(cuMemAlloc(&p, 3 * 4096));
    Decompress d = {};
    d.in = d.out = 4096;
    d.src = (void *)p;
    d.dst = (void *)(p + 4096);
    d.written = (unsigned *)(p + 8192);
    d.algorithm = 1 << 16; // none that there is
    size_t index = 77;
    EXPECT(run(&d, 1, 0, &index, nullptr) != CUDA_SUCCESS, "an unknown algorithm decompresses");
    EXPECT(index == 0 || index == 77 || index == SIZE_MAX, "operation %zu of 1 has failed", index); // 580 leaves it alone
    d.algorithm = 1;
    if (!attribute(ALGORITHMS)) EXPECT(run(&d, 1, 0, nullptr, nullptr) != CUDA_SUCCESS, "decompression without engines");
    CU(cuMemFree(p));
}

// A tensor map of one dimension has no strides, but the driver wants to know where they would be.
static void tensor_map() {
    auto encode = late<CUresult(void *, int, unsigned, void *, const unsigned long long *, const unsigned long long *, const unsigned *,
                                const unsigned *, int, int, int, int)>("cuTensorMapEncodeTiled");
    struct alignas(64) {
        char bytes[128];
    } map = {};
    const int FLOAT32 = 7, TENSOR_MAPS = 127;
    unsigned long long dim[] = {1024}, strides[] = {0};
    unsigned box[] = {32}, steps[] = {1};
    CUdeviceptr p;
    CU(cuMemAlloc(&p, 4096));
    CUresult r = encode(&map, FLOAT32, 1, (void *)p, dim, strides, box, steps, 0, 0, 0, 0);
    EXPECT(r == CUDA_SUCCESS || !attribute(TENSOR_MAPS), "a map of one dimension gives %d", (int)r);
    encode(&map, FLOAT32, 1, (void *)p, dim, nullptr, box, steps, 0, 0, 0, 0); // which the driver may mind, and nobody else
    CU(cuMemFree(p));
}

int main() {
    CUcontext context = start();
    int version;
    CU(cuDriverGetVersion(&version));
    if (version >= 12000) tensor_map();
    if (version >= 12010) multicast();
    if (version >= 12080) decompress();

    if (version >= 12030) {
        const char *name;
        EXPECT_CU(late<CUresult(const char **, CUfunction)>("cuFuncGetName")(&name, nullptr), CUDA_ERROR_INVALID_VALUE);
        EXPECT_CU(late<CUresult(const char **, void *)>("cuKernelGetName")(&name, nullptr), CUDA_ERROR_INVALID_VALUE);
    }

    // Execution affinities are for clients of a shared server.
    auto affinity = late<CUresult(void *, unsigned)>("cuCtxGetExecAffinity");
    int able = 0;
    CU(cuDeviceGetExecAffinitySupport(&able, CU_EXEC_AFFINITY_TYPE_SM_COUNT, 0));
    unsigned param[2] = {};
    CUresult r = affinity(param, CU_EXEC_AFFINITY_TYPE_SM_COUNT);
    EXPECT(r == CUDA_SUCCESS || !able, "an affinity that is supported gives %d", (int)r);

    if (version >= 13000) {
        auto atomics = late<CUresult(unsigned *, const unsigned *, unsigned, CUdevice, CUdevice)>("cuDeviceGetP2PAtomicCapabilities");
        unsigned operations[] = {0}, able[1];
        EXPECT(atomics(able, operations, 1, 0, 0) != CUDA_SUCCESS, "a GPU is its own peer");
        EXPECT(atomics(able, operations, 1, 0, 4711) != CUDA_SUCCESS, "a GPU that is not there is a peer");
    }
    if (version >= 12050) { // an ordinary stream has its context, and no green one
        auto contexts = late<CUresult(CUstream, CUcontext *, void **)>("cuStreamGetCtx_v2");
        CUstream s;
        CUcontext of = nullptr;
        void *green = &green;
        CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
        CU(contexts(s, &of, &green));
        EXPECT(of == context && !green, "a stream of another context, or of a green one");
        CU(cuStreamDestroy(s));
    }
    // Code of the host, and files of the host's kernel, are not to be had by a guest; on a GPU of one's own they may be.
    int range = -1;
    CUdeviceptr p;
    CU(cuMemAlloc(&p, 2 << 20));
    auto handle = late<CUresult(void *, CUdeviceptr, size_t, unsigned, unsigned long long)>("cuMemGetHandleForAddressRange");
    const int DMA_BUF = 124;
    if (!attribute(DMA_BUF)) EXPECT(handle(&range, p, 2 << 20, 1, 0) != CUDA_SUCCESS, "a dma-buf where there are none");
    CU(cuMemFree(p));
    CU(cuCtxDestroy(context));
    return 0;
}
