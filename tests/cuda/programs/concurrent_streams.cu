// SPDX-License-Identifier: Apache-2.0
//
// Streams run at the same time: a kernel in one waits for a flag that the host
// sets once another stream's work is done.
#include "check.h"

__global__ void wait_for(volatile int *flag, int *result, long long patience) {
    unsigned long long start, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
    do {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    } while (*flag == 0 && (long long)(now - start) < patience);
    *result = *flag;
}

__global__ void twice(int *v) { v[threadIdx.x] *= 2; }

int main() {
    int *flag, *flag_device, *result = device_array<int>(1);
    CHECK(cudaHostAlloc(&flag, sizeof *flag, cudaHostAllocMapped));
    CHECK(cudaHostGetDevicePointer(&flag_device, flag, 0));
    cudaStream_t waiting, working;
    CHECK(cudaStreamCreateWithFlags(&waiting, cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&working, cudaStreamNonBlocking));
    std::vector<int> v(64), got(64);
    for (int i = 0; i < 64; i++) v[i] = i;
    int *device = to_device(v), *pinned;
    CHECK(cudaMallocHost(&pinned, 64 * sizeof(int)));
    // Both kernels are loaded before one of them waits: loading may synchronise.
    *flag = 1;
    wait_for<<<1, 1, 0, waiting>>>(flag_device, result, 0);
    twice<<<1, 64, 0, working>>>(device);
    CHECK(cudaDeviceSynchronize());

    *(volatile int *)flag = 0;
    wait_for<<<1, 1, 0, waiting>>>(flag_device, result, 10000000000ll);
    twice<<<1, 64, 0, working>>>(device);
    CHECK(cudaMemcpyAsync(pinned, device, 64 * sizeof(int), cudaMemcpyDeviceToHost, working));
    CHECK(cudaStreamSynchronize(working));
    for (int i = 0; i < 64; i++) EXPECT(pinned[i] == 4 * i, "element %d is %d, want %d", i, pinned[i], 4 * i);
    EXPECT_ERROR(cudaStreamQuery(waiting), cudaErrorNotReady);
    *(volatile int *)flag = 1;
    CHECK(cudaStreamSynchronize(waiting));
    expect_same("the waiting kernel saw", to_host(result, 1), std::vector<int>{1});
    return 0;
}
