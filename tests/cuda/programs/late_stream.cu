// SPDX-License-Identifier: Apache-2.0
//
// A stream that is made while the default stream waits for the host does not wait, and what was uploaded before is there.
#include "check.h"

__global__ void wait_for(volatile int *flag, long long patience) {
    unsigned long long start, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
    do {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    } while (*flag == 0 && (long long)(now - start) < patience);
}

__global__ void twice(int *v) { v[threadIdx.x] *= 2; }

int main() {
    int *flag, *device_flag, *got;
    CHECK(cudaHostAlloc(&flag, sizeof *flag, cudaHostAllocMapped));
    CHECK(cudaHostGetDevicePointer(&device_flag, flag, 0));
    CHECK(cudaMallocHost(&got, 64 * sizeof(int)));
    int *v = to_device(std::vector<int>(64, 1));
    // Both kernels are loaded before one of them waits: loading may synchronise.
    *flag = 1;
    wait_for<<<1, 1>>>(device_flag, 0);
    twice<<<1, 64>>>(v);
    CHECK(cudaDeviceSynchronize());

    std::vector<int> in(64, 21);
    CHECK(cudaMemcpy(v, in.data(), 64 * sizeof(int), cudaMemcpyHostToDevice));
    *(volatile int *)flag = 0;
    wait_for<<<1, 1>>>(device_flag, 10000000000ll);
    cudaStream_t s;
    CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    twice<<<1, 64, 0, s>>>(v);
    CHECK(cudaMemcpyAsync(got, v, 64 * sizeof(int), cudaMemcpyDeviceToHost, s));
    CHECK(cudaStreamSynchronize(s));
    EXPECT(cudaStreamQuery(0) == cudaErrorNotReady, "the default stream did not wait for the host");
    for (int i = 0; i < 64; i++) EXPECT(got[i] == 42, "element %d is %d", i, got[i]);
    *(volatile int *)flag = 1;
    CHECK(cudaDeviceSynchronize());
    return 0;
}
