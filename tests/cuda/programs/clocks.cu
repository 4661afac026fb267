// SPDX-License-Identifier: Apache-2.0
//
// Clocks and timers of the device go forward, within a thread and from launch to
// launch.
#include "check.h"

__global__ void read(long long *out) {
    unsigned long long t0, t1;
    long long c0 = clock64();
    clock_t s0 = clock();
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t0));
    unsigned x = threadIdx.x;
    for (int i = 0; i < 2000; i++) x = x * 1664525 + 1013904223;
    out[6] = x;
    __threadfence();
    long long c1 = clock64();
    clock_t s1 = clock();
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t1));
    out[0] = c1 - c0;
    out[1] = s1 - s0;
    out[2] = t1 - t0;
    out[3] = t1;
    unsigned sm, sms;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(sm));
    asm volatile("mov.u32 %0, %%nsmid;" : "=r"(sms));
    out[4] = sm;
    out[5] = sms;
}

int main() {
    long long *out = device_array<long long>(7), last = 0;
    for (int i = 0; i < 5; i++) {
        read<<<1, 1>>>(out);
        launched();
        std::vector<long long> got = to_host(out, 7);
        EXPECT(got[0] > 0, "clock64 went by %lld", got[0]);
        EXPECT(got[1] != 0, "clock stood still");
        EXPECT(got[2] >= 0 && got[2] < 10000000000ll, "globaltimer went by %lld ns", got[2]);
        EXPECT(got[3] >= last, "globaltimer went back from %lld to %lld", last, got[3]);
        EXPECT(got[4] >= 0 && got[4] < got[5], "multiprocessor %lld of %lld", got[4], got[5]);
        last = got[3];
    }
    return 0;
}
