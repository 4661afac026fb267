// SPDX-License-Identifier: Apache-2.0
//
// Events: order, queries, elapsed times, waiting, and their errors.
#include <ctime>

#include "check.h"

__global__ void spin(unsigned *out, int rounds) {
    unsigned x = threadIdx.x;
    for (int i = 0; i < rounds; i++) x = x * 1664525u + 1013904223u;
    out[threadIdx.x] = x;
}

double now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

int main() {
    unsigned *out = device_array<unsigned>(64);
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    cudaEvent_t events[4], untimed, blocking;
    for (cudaEvent_t &e : events) CHECK(cudaEventCreate(&e));
    CHECK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
    CHECK(cudaEventCreateWithFlags(&blocking, cudaEventBlockingSync | cudaEventDisableTiming));
    float ms = -1;
    // An event that was never recorded counts as complete, but has no time.
    CHECK(cudaEventQuery(events[0]));
    CHECK(cudaEventSynchronize(events[0]));
    EXPECT_ERROR(cudaEventElapsedTime(&ms, events[0], events[1]), cudaErrorInvalidResourceHandle);
    cudaGetLastError();

    double begin = now();
    CHECK(cudaEventRecord(events[0], s));
    for (int k = 1; k < 4; k++) {
        spin<<<1, 64, 0, s>>>(out, 20000 * k);
        CHECK(cudaEventRecord(events[k], s));
    }
    CHECK(cudaEventRecord(blocking, s));
    CHECK(cudaEventSynchronize(blocking));
    double end = now();
    float parts = 0, all = 0;
    for (int k = 1; k < 4; k++) {
        CHECK(cudaEventQuery(events[k]));
        CHECK(cudaEventElapsedTime(&ms, events[k - 1], events[k]));
        EXPECT(ms > 0, "interval %d took %g ms", k, ms);
        parts += ms;
    }
    CHECK(cudaEventElapsedTime(&all, events[0], events[3]));
    EXPECT(fabs(parts - all) <= 0.02 + all * 0.01, "the parts take %g ms, all %g", parts, all);
    EXPECT(all <= end - begin + 1, "%g ms between events, %g on the host", all, end - begin);
    CHECK(cudaEventElapsedTime(&ms, events[3], events[0]));
    EXPECT(ms < 0, "backwards it is %g ms", ms);
    EXPECT_ERROR(cudaEventElapsedTime(&ms, events[0], untimed), cudaErrorInvalidResourceHandle);
    cudaGetLastError();

    // Recorded anew, an event stands for the later point.
    CHECK(cudaEventRecord(events[0], s));
    CHECK(cudaEventSynchronize(events[0]));
    CHECK(cudaEventElapsedTime(&ms, events[3], events[0]));
    EXPECT(ms >= 0, "recorded later, yet %g ms", ms);
    CHECK(cudaEventRecord(events[1])); // in the default stream
    CHECK(cudaEventSynchronize(events[1]));
    for (cudaEvent_t &e : events) CHECK(cudaEventDestroy(e));
    for (int i = 0; i < 500; i++) {
        cudaEvent_t e;
        CHECK(cudaEventCreate(&e));
        CHECK(cudaEventRecord(e, s));
        CHECK(cudaEventDestroy(e));
    }
    CHECK(cudaStreamSynchronize(s));
    return 0;
}
