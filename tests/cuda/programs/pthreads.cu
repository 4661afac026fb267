// SPDX-License-Identifier: Apache-2.0
//
// Eight threads, each with its stream, its memory and its errors.
#include <pthread.h>

#include "check.h"

__device__ unsigned long long total;

__global__ void work(unsigned *v, int n, unsigned a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        v[i] = v[i] * 31 + a;
        if (i == 0) atomicAdd(&total, 1ull);
    }
}

void *run(void *arg) {
    int id = (int)(intptr_t)arg, device = -1;
    CHECK(cudaGetDevice(&device));
    EXPECT(device == 0, "thread %d starts on device %d", id, device);
    cudaStream_t s;
    cudaEvent_t e;
    CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    CHECK(cudaEventCreate(&e));
    for (int round = 0; round < 10; round++) {
        int n = 500 + id * 100 + round;
        std::vector<unsigned> v(n), got(n);
        for (int i = 0; i < n; i++) v[i] = id * 1000 + i;
        unsigned *d;
        CHECK(cudaMalloc(&d, n * sizeof(unsigned)));
        CHECK(cudaMemcpyAsync(d, v.data(), n * sizeof(unsigned), cudaMemcpyHostToDevice, s));
        for (int k = 0; k < 5; k++) {
            work<<<(n + 127) / 128, 128, 0, s>>>(d, n, k + id);
            for (unsigned &x : v) x = x * 31 + k + id;
        }
        CHECK(cudaMemcpyAsync(got.data(), d, n * sizeof(unsigned), cudaMemcpyDeviceToHost, s));
        CHECK(cudaEventRecord(e, s));
        CHECK(cudaEventSynchronize(e));
        expect_same("thread", got, v);
        CHECK(cudaFree(d));
        // An error belongs to the thread that made it.
        if (id % 2) {
            EXPECT_ERROR(cudaSetDevice(1000), cudaErrorInvalidDevice);
            EXPECT_ERROR(cudaGetLastError(), cudaErrorInvalidDevice);
        } else {
            CHECK(cudaPeekAtLastError());
        }
    }
    CHECK(cudaEventDestroy(e));
    CHECK(cudaStreamDestroy(s));
    return nullptr;
}

int main() {
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) EXPECT(pthread_create(&threads[i], nullptr, run, (void *)(intptr_t)i) == 0, "thread %d", i);
    for (pthread_t t : threads) pthread_join(t, nullptr);
    CHECK(cudaDeviceSynchronize());
    unsigned long long got = 0;
    CHECK(cudaMemcpyFromSymbol(&got, total, sizeof got));
    EXPECT(got == 400, "%llu launches counted, want 400", got);
    return 0;
}
