// SPDX-License-Identifier: Apache-2.0
//
// What a pool and the graphs keep of memory that was freed is given up for allocations elsewhere: on a GPU, or a vGPU's
// quota, that is full of it, all can still be allocated. What is in use is not given up.
// env: ORION_GMEM=128
#include "check.h"

static const uint64_t mib = 1 << 20, part = 64 * mib, quota = 128 * mib;
static cudaStream_t s;
static cudaMemPool_t pool;

static uint64_t reserved() {
    uint64_t n = 0;
    CHECK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &n));
    return n;
}

static uint64_t reserved_by_graphs() {
    uint64_t n = 0;
    CHECK(cudaDeviceGetGraphMemAttribute(0, cudaGraphMemAttrReservedMemCurrent, &n));
    return n;
}

// keep has the pool keep memory of an allocation that is freed.
static void keep(bool wait) {
    void *p;
    CHECK(cudaMallocAsync(&p, part, s));
    CHECK(cudaMemsetAsync(p, 1, mib, s));
    CHECK(cudaFreeAsync(p, s));
    if (wait) CHECK(cudaStreamSynchronize(s));
    EXPECT(reserved() >= part, "%llu bytes are reserved", (unsigned long long)reserved());
}

// keep_by_graph has the memory of graphs keep that of one that has ended.
static void keep_by_graph() {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    void *p;
    CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    CHECK(cudaMallocAsync(&p, part, s));
    CHECK(cudaMemsetAsync(p, 1, mib, s));
    CHECK(cudaFreeAsync(p, s));
    CHECK(cudaStreamEndCapture(s, &graph));
    CHECK(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0));
    CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaStreamSynchronize(s));
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
    EXPECT(reserved_by_graphs() >= part, "%llu bytes are reserved for graphs", (unsigned long long)reserved_by_graphs());
}

// trimmed: on any GPU a trim gives back what is kept.
static void trimmed() {
    keep(true);
    CHECK(cudaMemPoolTrimTo(pool, 0));
    EXPECT(reserved() == 0, "%llu bytes are reserved after a trim", (unsigned long long)reserved());
    keep_by_graph();
    CHECK(cudaDeviceGraphMemTrim(0));
    EXPECT(reserved_by_graphs() < part, "%llu bytes are reserved for graphs after a trim", (unsigned long long)reserved_by_graphs());
}

// all_of allocates all of the device's memory, for which everything else has to be given up.
static void all_of(uint64_t total) {
    void *p;
    CHECK(cudaMalloc(&p, total));
    EXPECT(reserved() == 0, "%llu bytes are reserved beside all of the memory", (unsigned long long)reserved());
    size_t free_bytes = 1, t;
    CHECK(cudaMemGetInfo(&free_bytes, &t));
    EXPECT(free_bytes == 0, "%zu bytes are free beside all of the memory", free_bytes);
    CHECK(cudaFree(p));
}

static void full(uint64_t total) {
    size_t before, after, t;
    CHECK(cudaMemGetInfo(&before, &t));
    keep(true);
    CHECK(cudaMemGetInfo(&after, &t));
    EXPECT(before - after == reserved(), "%zu bytes were free and %zu are, with %llu reserved", before, after, (unsigned long long)reserved());
    all_of(total);
    keep(false);
    all_of(total);
    keep_by_graph();
    all_of(total);
    keep_by_graph();
    keep(true);
    all_of(total);

    void *in_use, *p;
    CHECK(cudaMallocAsync(&in_use, part, s));
    CHECK(cudaMemsetAsync((char *)in_use + part - mib, 7, mib, s));
    EXPECT_ERROR(cudaMalloc(&p, total - part + mib), cudaErrorMemoryAllocation);
    EXPECT_ERROR(cudaMallocAsync(&p, total - part + mib, s), cudaErrorMemoryAllocation);
    cudaGetLastError();
    CHECK(cudaMalloc(&p, total - part));
    CHECK(cudaFree(p));
    CHECK(cudaMallocAsync(&p, total - part, s));
    CHECK(cudaFreeAsync(p, s));
    unsigned char last = 0;
    CHECK(cudaMemcpyAsync(&last, (char *)in_use + part - 1, 1, cudaMemcpyDeviceToHost, s));
    CHECK(cudaFreeAsync(in_use, s));
    CHECK(cudaStreamSynchronize(s));
    EXPECT(last == 7, "the memory in use holds %d", last);
    all_of(total);
}

int main() {
    int supported = 0;
    CHECK(cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, 0));
    if (!supported) SKIP("the device has no memory pools");
    CHECK(cudaStreamCreate(&s));
    CHECK(cudaDeviceGetDefaultMemPool(&pool, 0));
    uint64_t forever = UINT64_MAX;
    CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &forever));
    trimmed();
    size_t free_bytes, total;
    CHECK(cudaMemGetInfo(&free_bytes, &total));
    if (total == quota) full(total); // a vGPU that is nobody else's: others' programs would miss the memory of a GPU
    CHECK(cudaStreamDestroy(s));
    return 0;
}
