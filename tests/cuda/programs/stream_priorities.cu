// SPDX-License-Identifier: Apache-2.0
//
// Streams with priorities: the range, what a stream reports, results.
#include "check.h"

__global__ void mark(int *v, int a) { atomicAdd(v, a); }

int main() {
    int least = -99, greatest = 99;
    CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    EXPECT(greatest <= least, "priorities from %d to %d", least, greatest);
    int *v = to_device(std::vector<int>{0}), want = 0;
    for (int p = greatest - 1; p <= least + 1; p++) {
        cudaStream_t s;
        int got = 99, clamped = p < greatest ? greatest : p > least ? least : p;
        CHECK(cudaStreamCreateWithPriority(&s, cudaStreamNonBlocking, p));
        CHECK(cudaStreamGetPriority(s, &got));
        EXPECT(got == clamped, "priority is %d, want %d", got, clamped);
        for (int i = 0; i < 20; i++) mark<<<1, 32, 0, s>>>(v, 10 + p), want += 32 * (10 + p);
        CHECK(cudaGetLastError());
        CHECK(cudaStreamDestroy(s));
    }
    CHECK(cudaDeviceSynchronize());
    expect_same("sum", to_host(v, 1), std::vector<int>{want});
    return 0;
}
