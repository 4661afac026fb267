// SPDX-License-Identifier: Apache-2.0
//
// Managed memory that host and kernel use at the same time: messages to and fro while the kernel runs, in an allocation
// and in managed variables.
#include "check.h"
#include <time.h>

static double seconds() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

__managed__ volatile int request, reply;
__managed__ volatile long payload[64];

__global__ void serve(volatile long *sums, int rounds, long long patience) {
    long long last = clock64();
    for (int i = 1; i <= rounds;) {
        if (request < i) {
            if (clock64() - last > patience) return; // no kernel waits for ever
            continue;
        }
        __threadfence_system();
        long s = 0;
        for (int k = 0; k < 64; k++) s += payload[k];
        sums[i - 1] = s;
        __threadfence_system();
        reply = i++;
        last = clock64();
    }
}

int main() {
    int concurrent;
    CHECK(cudaDeviceGetAttribute(&concurrent, cudaDevAttrConcurrentManagedAccess, 0));
    if (!concurrent) SKIP("no concurrent access to managed memory");
    const int rounds = 20;
    volatile long *sums;
    CHECK(cudaMallocManaged((void **)&sums, rounds * sizeof *sums));
    request = reply = 0;
    serve<<<1, 1>>>(sums, rounds, 20000000000ll);
    CHECK(cudaGetLastError());
    for (int i = 1; i <= rounds; i++) {
        long want = 0;
        for (int k = 0; k < 64; k++) want += payload[k] = i * 100L + k;
        __sync_synchronize();
        request = i;
        double start = seconds();
        while (reply < i) EXPECT(seconds() - start < 15, "no reply to request %d", i);
        __sync_synchronize();
        EXPECT(sums[i - 1] == want, "round %d: the kernel sums %ld, want %ld", i, sums[i - 1], want);
    }
    launched();
    CHECK(cudaFree((void *)sums));
    return 0;
}
