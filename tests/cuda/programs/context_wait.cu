// SPDX-License-Identifier: Apache-2.0
//
// A wait for the whole context after one for a stream: it is over only when no stream has work, whichever thread gave it.
#include "check.h"

#include <thread>

__global__ void slow(volatile int *done, int rounds) {
    unsigned x = 1;
    for (int i = 0; i < rounds; i++) x = x * 1664525u + 1013904223u;
    *done = *done + 1 + (x == 12345u);
}

int main() {
    const int SHORT = 10, LONG = 300000, N = 40;
    int *done, *device;
    CHECK(cudaMallocHost((void **)&done, 2 * sizeof *done));
    CHECK(cudaMalloc((void **)&device, sizeof *device));
    done[0] = done[1] = 0;
    cudaStream_t a, b;
    CHECK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    volatile int *seen = done;
    for (int i = 1; i <= N; i++) {
        // Alone: the second wait has nothing to wait for.
        slow<<<1, 1, 0, a>>>(done, SHORT);
        CHECK(cudaStreamSynchronize(a));
        CHECK(cudaDeviceSynchronize());
        EXPECT(seen[0] == 4 * i - 3, "round %d: %d kernels have run", i, seen[0]);
        // Beside another stream, which has work from before or from behind the first wait.
        slow<<<1, 1, 0, b>>>(done + 1, LONG);
        slow<<<1, 1, 0, a>>>(done, SHORT);
        CHECK(cudaStreamSynchronize(a));
        CHECK(cudaDeviceSynchronize());
        EXPECT(seen[1] == 3 * i - 2, "round %d: a stream with work is not waited for", i);
        CHECK(cudaMemcpyAsync(device, done, sizeof *device, cudaMemcpyHostToDevice, a));
        CHECK(cudaStreamSynchronize(a));
        slow<<<1, 1, 0, b>>>(done + 1, LONG);
        CHECK(cudaDeviceSynchronize());
        EXPECT(seen[1] == 3 * i - 1, "round %d: a stream that has got work is not waited for", i);
        // By another thread, while this one waits for its stream.
        slow<<<1, 1, 0, a>>>(done, LONG / 10);
        std::thread other([&] { slow<<<1, 1, 0, b>>>(done + 1, LONG); });
        CHECK(cudaStreamSynchronize(a));
        other.join();
        CHECK(cudaDeviceSynchronize());
        EXPECT(seen[1] == 3 * i, "round %d: a stream that another thread gave work is not waited for", i);
        // After a read, whose answer is a wait for its stream.
        int copy;
        slow<<<1, 1, 0, a>>>(done, SHORT);
        CHECK(cudaMemcpyAsync(&copy, device, sizeof copy, cudaMemcpyDeviceToHost, a));
        CHECK(cudaDeviceSynchronize());
        EXPECT(seen[0] == 4 * i, "round %d: %d kernels have run, not those before a read", i, seen[0]);
    }
    CHECK(cudaStreamDestroy(a));
    CHECK(cudaStreamDestroy(b));
    CHECK(cudaFree(device));
    CHECK(cudaFreeHost(done));
    return 0;
}
