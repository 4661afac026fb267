// SPDX-License-Identifier: Apache-2.0
//
// Compiled for default streams of each thread's own: threads do not wait for
// each other, and each one's work is in order.
// flags: --default-stream per-thread
#include <algorithm>
#include <thread>

#include "check.h"

__global__ void step(unsigned *v, unsigned a) { v[threadIdx.x] = v[threadIdx.x] * 31 + a; }

__global__ void wait_for(volatile int *flag, int *seen, long long patience) {
    unsigned long long start, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
    do {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    } while (*flag == 0 && (long long)(now - start) < patience);
    *seen = *flag;
}

void work(int id) {
    CHECK(cudaSetDevice(0));
    unsigned *v = to_device(std::vector<unsigned>(64, id)), want = id;
    for (int i = 0; i < 50; i++) {
        step<<<1, 64>>>(v, i);
        want = want * 31 + i;
    }
    CHECK(cudaGetLastError());
    CHECK(cudaStreamSynchronize(cudaStreamPerThread));
    std::vector<unsigned> got(64);
    CHECK(cudaMemcpyAsync(got.data(), v, 256, cudaMemcpyDeviceToHost, 0));
    CHECK(cudaStreamSynchronize(0));
    expect_same("thread", got, std::vector<unsigned>(64, want));
    CHECK(cudaFree(v));
}

// hand_over uploads behind work of this thread's, and has another thread read it. A copy of pinned memory has been done
// when it returns; one of pageable memory may be under way.
static void hand_over(int *never, int *seen) {
    int *v = device_array<int>(64), *in;
    CHECK(cudaMallocHost(&in, 256));
    for (int i = 1; i <= 5; i++) {
        std::vector<int> got, want(64, i);
        std::copy(want.begin(), want.end(), in);
        wait_for<<<1, 1>>>(never, seen, 5000000);
        CHECK(cudaMemcpy(v, in, 256, cudaMemcpyHostToDevice));
        std::thread([&] { got = to_host(v, 64); }).join();
        expect_same("handed over", got, want);
    }
    CHECK(cudaFreeHost(in));
    CHECK(cudaFree(v));
}

int main() {
    int *flag, *seen = device_array<int>(1);
    CHECK(cudaHostAlloc(&flag, sizeof *flag, cudaHostAllocMapped));
    *flag = 1;
    wait_for<<<1, 1>>>(flag, seen, 0);
    step<<<1, 1>>>((unsigned *)seen, 0);
    CHECK(cudaDeviceSynchronize());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) threads.emplace_back(work, i);
    for (std::thread &t : threads) t.join();

    *(volatile int *)flag = 0;
    hand_over(flag, seen);

    // This thread's default stream is held up; another thread's is not.
    unsigned *v = to_device(std::vector<unsigned>(64, 1));
    CHECK(cudaDeviceSynchronize());
    *(volatile int *)flag = 0;
    wait_for<<<1, 1>>>(flag, seen, 10000000000ll);
    std::thread([&] {
        step<<<1, 64>>>(v, 5);
        CHECK(cudaStreamSynchronize(0));
    }).join();
    EXPECT(cudaStreamQuery(0) == cudaErrorNotReady, "the other thread waited");
    *(volatile int *)flag = 1;
    CHECK(cudaStreamSynchronize(0));
    expect_same("flag", to_host(seen, 1), std::vector<int>{1});
    expect_same("other thread", to_host(v, 64), std::vector<unsigned>(64, 36));
    return 0;
}
