// SPDX-License-Identifier: Apache-2.0
//
// Allocation in the order of a stream, from the default pool and from one of the
// program's own.
#include "check.h"

__global__ void fill(unsigned *v, int n, unsigned a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] = a + i;
}

__global__ void sum(const unsigned *v, int n, unsigned long long *out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(out, v[i]);
}

int main() {
    int supported = 0;
    CHECK(cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, 0));
    if (!supported) SKIP("the device has no memory pools");
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    unsigned long long *out = to_device(std::vector<unsigned long long>{0}), want = 0;
    for (int r = 0; r < 50; r++) {
        int n = 100 + r * 37;
        unsigned *v, *w;
        CHECK(cudaMallocAsync(&v, n * sizeof(unsigned), s));
        fill<<<(n + 127) / 128, 128, 0, s>>>(v, n, r);
        CHECK(cudaMallocAsync(&w, n * sizeof(unsigned), s));
        CHECK(cudaMemcpyAsync(w, v, n * sizeof(unsigned), cudaMemcpyDeviceToDevice, s));
        CHECK(cudaFreeAsync(v, s));
        sum<<<(n + 127) / 128, 128, 0, s>>>(w, n, out);
        CHECK(cudaFreeAsync(w, s));
        for (int i = 0; i < n; i++) want += r + i;
    }
    CHECK(cudaStreamSynchronize(s));
    expect_same("sum", to_host(out, 1), std::vector<unsigned long long>{want});

    cudaMemPool_t pool, current;
    CHECK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CHECK(cudaDeviceGetMemPool(&current, 0));
    EXPECT(pool == current, "the current pool is not the default one");
    uint64_t threshold = 1 << 20, got = 0;
    CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
    CHECK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &got));
    EXPECT(got == threshold, "the threshold is %llu", (unsigned long long)got);
    CHECK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &got));
    EXPECT(got == 0, "%llu bytes are in use", (unsigned long long)got);
    CHECK(cudaMemPoolTrimTo(pool, 0));

    cudaMemPoolProps props = {};
    props.allocType = cudaMemAllocationTypePinned;
    props.location.type = cudaMemLocationTypeDevice;
    props.location.id = 0;
    cudaMemPool_t own;
    CHECK(cudaMemPoolCreate(&own, &props));
    // What a pool holds beyond its threshold, which is 0 at first, goes back to the system in a wait.
    for (bool whole : {false, true}) {
        void *p;
        CHECK(cudaMallocFromPoolAsync(&p, 8 << 20, own, s));
        CHECK(cudaMemPoolGetAttribute(own, cudaMemPoolAttrReservedMemCurrent, &got));
        EXPECT(got >= 8 << 20, "%llu bytes are reserved", (unsigned long long)got);
        CHECK(cudaMemsetAsync(p, 1, 8 << 20, s));
        CHECK(cudaFreeAsync(p, s));
        CHECK(whole ? cudaDeviceSynchronize() : cudaStreamSynchronize(s));
        CHECK(cudaMemPoolGetAttribute(own, cudaMemPoolAttrReservedMemCurrent, &got));
        EXPECT(got == 0, "%llu bytes are reserved after a wait for %s", (unsigned long long)got, whole ? "the device" : "the stream");
    }
    unsigned *v;
    CHECK(cudaMallocFromPoolAsync((void **)&v, 4000, own, s));
    fill<<<8, 128, 0, s>>>(v, 1000, 5);
    std::vector<unsigned> back(1000), back_want(1000);
    CHECK(cudaMemcpyAsync(back.data(), v, 4000, cudaMemcpyDeviceToHost, s));
    CHECK(cudaStreamSynchronize(s));
    for (int i = 0; i < 1000; i++) back_want[i] = 5 + i;
    expect_same("own pool", back, back_want);
    CHECK(cudaFree(v)); // a plain free is allowed too
    CHECK(cudaMemPoolDestroy(own));
    EXPECT_ERROR(cudaMallocAsync(&v, (size_t)1 << 50, s), cudaErrorMemoryAllocation);
    cudaGetLastError();
    return 0;
}
