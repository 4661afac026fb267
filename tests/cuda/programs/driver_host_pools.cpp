// SPDX-License-Identifier: Apache-2.0
//
// Memory pools of the host: what comes from them is memory of the program and of the GPU, in the order of streams.
#include <atomic>
#include <thread>

#include "late.h"

#if CUDA_VERSION >= 11020
enum { PINNED = 1, MANAGED = 2, NOWHERE = 0, DEVICE = 1, HOST = 2, NUMA = 3, NUMA_CURRENT = 4 };
static const size_t N = 1 << 18, BYTES = N * sizeof(int);
static CUfunction scale;
static CUstream s, other;

static CUmemPoolProps props(int type, int place, int handles = 0) {
    CUmemPoolProps p = {};
    p.allocType = (CUmemAllocationType)type;
    p.location.type = (CUmemLocationType)place;
    p.handleTypes = (CUmemAllocationHandleType)handles;
    return p;
}

// create makes a pool whose memory the GPU reaches.
static CUmemoryPool create(CUmemPoolProps p) {
    CUmemoryPool pool;
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    CU(cuMemPoolCreate(&pool, &p));
    CU(cuMemPoolSetAccess(pool, &access, 1));
    return pool;
}

static unsigned long long attribute(CUmemoryPool pool, CUmemPool_attribute which) {
    unsigned long long v = ~0ull;
    CU(cuMemPoolGetAttribute(pool, which, &v));
    return v;
}

static int *allocate(CUmemoryPool pool, CUstream stream, size_t bytes = BYTES) {
    CUdeviceptr p;
    CU(cuMemAllocFromPoolAsync(&p, bytes, pool, stream));
    return (int *)p;
}

static void times(int *v, int by, CUstream stream) {
    int n = N;
    void *args[] = {&v, &n, &by};
    CU(cuLaunchKernel(scale, N / 256, 1, 1, 256, 1, 1, 0, stream, args, nullptr));
}

static void same(const char *name, const int *v, int want) {
    for (size_t i = 0; i < N; i++) EXPECT(v[i] == want, "%s: element %zu is %d, want %d", name, i, v[i], want);
}

// works goes through the life of memory of a pool.
static void works(const char *name, CUmemoryPool pool) {
    std::vector<int> left(N);
    EXPECT(attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 0, "%s: memory of a new pool is in use", name);
    int *v = allocate(pool, s, 0);
    v = allocate(pool, s);
    CU(cuStreamSynchronize(s));
    EXPECT(attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT) >= BYTES && attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) >= BYTES,
           "%s: too little is in use", name);
    for (size_t i = 0; i < N; i++) v[i] = 7;
    times(v, 3, s);
    CU(cuStreamSynchronize(s));
    same(name, v, 21);
    CUmemoryPool of = nullptr;
#if CUDA_VERSION >= 11030
    CU(cuPointerGetAttribute(&of, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, (CUdeviceptr)v));
    EXPECT(of == pool, "%s: the memory is of pool %p, want %p", name, (void *)of, (void *)pool);
#endif
    CU(cuMemFreeAsync((CUdeviceptr)v, s));
    EXPECT(cuMemFreeAsync((CUdeviceptr)v, s) != CUDA_SUCCESS, "%s: freed twice", name);

    // Without a wait, in one stream: memory may come again, and its use stays in order.
    CUdeviceptr sums = device_ints(std::vector<int>(40 * 64, 0));
    for (int i = 0; i < 40; i++) {
        v = allocate(pool, s);
        CU(cuMemsetD32Async((CUdeviceptr)v, i, N, s));
        times(v, 2, s);
        CU(cuMemcpyAsync(sums + i * 64 * sizeof(int), (CUdeviceptr)(v + N - 64), 64 * sizeof(int), s));
        CU(cuMemFreeAsync((CUdeviceptr)v, s));
    }
    CU(cuStreamSynchronize(s));
    std::vector<int> got = host_ints(sums, 40 * 64);
    for (int i = 0; i < 40 * 64; i++) EXPECT(got[i] == 2 * (i / 64), "%s: round %d left %d", name, i / 64, got[i]);
    CU(cuMemFree(sums));
    EXPECT(attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 0, "%s: what was freed is in use", name);
    CU(cuMemPoolTrimTo(pool, 0));
    EXPECT(attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) == 0, "%s: something is left", name);

    // A stream that has not got there yet keeps what it frees.
    std::atomic<int> gate{0};
    v = allocate(pool, s);
    CU(cuLaunchHostFunc(s, [](void *p) { while (!*(std::atomic<int> *)p) std::this_thread::yield(); }, &gate));
    CU(cuMemsetD32Async((CUdeviceptr)v, 1, N, s));
    CU(cuMemFreeAsync((CUdeviceptr)v, s));
    int *w = allocate(pool, other);
    CU(cuMemsetD32Async((CUdeviceptr)w, 2, N, other));
    gate = 1;
    CU(cuStreamSynchronize(s));
    CU(cuStreamSynchronize(other));
    same(name, w, 2);
    CU(cuMemFree((CUdeviceptr)w));

    // Memory outlives its pool. It is copied to be seen: of managed memory that comes again, driver 580 shows the host a page
    // as it was.
    v = allocate(pool, s);
    CU(cuMemPoolDestroy(pool));
    CU(cuMemsetD32Async((CUdeviceptr)v, 5, N, s));
    CU(cuMemcpyAsync((CUdeviceptr)left.data(), (CUdeviceptr)v, BYTES, s));
    CU(cuStreamSynchronize(s));
    same(name, left.data(), 5);
    CU(cuMemFreeAsync((CUdeviceptr)v, s));
    CU(cuStreamSynchronize(s));
}

// copies has pools of the host be host memory to copies between devices.
static void copies(CUmemoryPool pool) {
    CUdeviceptr d = device_ints(std::vector<int>(64, 1)), v = (CUdeviceptr)allocate(pool, s);
    CU(cuStreamSynchronize(s));
    EXPECT_CU(cuMemcpyDtoDAsync(d, v, 64 * sizeof(int), s), CUDA_ERROR_INVALID_VALUE);
    CU(cuMemcpyAsync(v, d, 64 * sizeof(int), s));
    CU(cuStreamSynchronize(s));
    EXPECT(((int *)v)[63] == 1, "the copy left %d", ((int *)v)[63]);
    CU(cuMemFreeAsync(v, s));
    CU(cuStreamSynchronize(s));
    CU(cuMemFree(d));
}

// reset ends a primary context while a pool waits to know that memory is free: the next one is as new.
static void reset() {
    CUcontext primary;
    CUmemoryPool pool;
    CUdeviceptr d;
    CU(cuDevicePrimaryCtxRetain(&primary, 0));
    CU(cuCtxSetCurrent(primary));
    pool = create(props(PINNED, HOST));
    CU(cuMemFreeAsync((CUdeviceptr)allocate(pool, nullptr), nullptr));
    CU(cuDevicePrimaryCtxReset(0));
    CU(cuDevicePrimaryCtxRetain(&primary, 0));
    CU(cuCtxSetCurrent(primary));
    pool = create(props(PINNED, HOST));
    d = (CUdeviceptr)allocate(pool, nullptr);
    CU(cuMemsetD8Async(d, 1, 64, nullptr));
    CU(cuCtxSynchronize());
    CU(cuDevicePrimaryCtxRelease(0));
}

static int device_attribute(int which) {
    int v = 0;
    return cuDeviceGetAttribute(&v, (CUdevice_attribute)which, 0) == CUDA_SUCCESS ? v : 0;
}

int main() {
    enum { CONCURRENT_MANAGED = 89, HOST_NUMA_POOLS = 142, HOST_POOLS = 144 };
    CUcontext context = start();
    int version;
    CU(cuDriverGetVersion(&version));
    if (version < 13000 || !device_attribute(HOST_POOLS)) SKIP("the device has no memory pools of the host");
    CUmodule module;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    CU(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    CUmemoryPool pool;
    for (int place : {HOST, NUMA}) {
        if (place == NUMA && !device_attribute(HOST_NUMA_POOLS)) continue;
        pool = create(props(PINNED, place));
        copies(pool);
        works(place == HOST ? "host" : "node of the host", pool);
    }
    CUmemPoolProps p = props(PINNED, HOST, 1);
    EXPECT_CU(cuMemPoolCreate(&pool, &p), CUDA_ERROR_INVALID_VALUE);
    p = props(PINNED, NUMA_CURRENT);
    EXPECT_CU(cuMemPoolCreate(&pool, &p), CUDA_ERROR_INVALID_VALUE);
    if (device_attribute(CONCURRENT_MANAGED)) {
        auto discard = late<CUresult(CUdeviceptr *, size_t *, size_t, unsigned long long, CUstream)>("cuMemDiscardBatchAsync");
        p = props(MANAGED, NOWHERE);
        CU(cuMemPoolCreate(&pool, &p));
        CUdeviceptr v = (CUdeviceptr)allocate(pool, s);
        size_t bytes = BYTES;
        unsigned is = 0;
        CU(cuPointerGetAttribute(&is, CU_POINTER_ATTRIBUTE_IS_MANAGED, v));
        EXPECT(is & 1, "memory of a managed pool is not managed");
        CU(discard(&v, &bytes, 1, 0, s));
        CU(cuMemFreeAsync(v, s));
        CU(cuStreamSynchronize(s));
        works("managed", pool);
    }
    CU(cuCtxDestroy(context));
    reset();
    return 0;
}
#else
int main() { SKIP("CUDA is older than memory pools"); }
#endif
