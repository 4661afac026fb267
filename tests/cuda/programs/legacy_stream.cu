// SPDX-License-Identifier: Apache-2.0
//
// The legacy default stream waits for blocking streams and they for it, without
// a call; streams that do not block run past it.
#include "check.h"

__global__ void slow_add(unsigned *v, unsigned a, int rounds) {
    unsigned x = a;
    for (int i = 0; i < rounds; i++) x = x * 1664525u + 1013904223u;
    v[threadIdx.x] = v[threadIdx.x] * 3 + a + (x == 12345 ? 1 : 0);
}

__global__ void wait_for(volatile int *flag, long long patience) {
    unsigned long long start, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
    do {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    } while (*flag == 0 && (long long)(now - start) < patience);
}

int main() {
    unsigned *v = to_device(std::vector<unsigned>(32, 1)), want = 1;
    cudaStream_t blocking[3], free_running;
    for (cudaStream_t &s : blocking) CHECK(cudaStreamCreate(&s));
    CHECK(cudaStreamCreateWithFlags(&free_running, cudaStreamNonBlocking));
    for (int i = 0; i < 60; i++) {
        // Each of these is ordered only by way of the default stream.
        cudaStream_t s = i % 2 ? blocking[i % 3] : i % 4 ? cudaStreamLegacy : 0;
        slow_add<<<1, 32, 0, s>>>(v, i, i % 2 ? 3000 : 10);
        want = want * 3 + i;
    }
    CHECK(cudaDeviceSynchronize());
    expect_same("order", to_host(v, 32), std::vector<unsigned>(32, want));

    int *flag, *device_flag, *pinned;
    CHECK(cudaHostAlloc(&flag, sizeof *flag, cudaHostAllocMapped));
    CHECK(cudaHostGetDevicePointer(&device_flag, flag, 0));
    CHECK(cudaMallocHost(&pinned, 32 * sizeof(unsigned)));
    *flag = 1;
    wait_for<<<1, 1>>>(device_flag, 0); // loads it
    CHECK(cudaDeviceSynchronize());
    *(volatile int *)flag = 0;
    wait_for<<<1, 1>>>(device_flag, 10000000000ll);
    slow_add<<<1, 32, 0, free_running>>>(v, 7, 1);
    CHECK(cudaMemcpyAsync(pinned, v, 32 * sizeof(unsigned), cudaMemcpyDeviceToHost, free_running));
    CHECK(cudaStreamSynchronize(free_running));
    EXPECT(cudaStreamQuery(0) == cudaErrorNotReady, "the stream that does not block waited for the default stream");
    *(volatile int *)flag = 1;
    CHECK(cudaDeviceSynchronize());
    EXPECT((unsigned)pinned[5] == want * 3 + 7, "got %u, want %u", pinned[5], want * 3 + 7);
    return 0;
}
