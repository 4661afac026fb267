// SPDX-License-Identifier: Apache-2.0
//
// Large copies of the program's own memory go on, both ways, while a kernel of another stream waits for the host: nothing
// that they need waits for the kernel.
#include "check.h"

__global__ void until(volatile int *go, int *seen) {
    while (!*go) {}
    *seen = *go;
}

int main() {
    const size_t bytes = 100 << 20;
    int *go, *seen, result = 0;
    char *memory;
    cudaStream_t waiting, copying;
    CHECK(cudaHostAlloc(&go, sizeof *go, cudaHostAllocMapped));
    CHECK(cudaMalloc(&seen, sizeof *seen));
    CHECK(cudaMalloc(&memory, bytes));
    CHECK(cudaStreamCreateWithFlags(&waiting, cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&copying, cudaStreamNonBlocking));
    std::vector<char> in(bytes), out(bytes);
    for (size_t i = 0; i < bytes; i++) in[i] = (char)(i * 7 + i / 4096);
    *go = 0;
    until<<<1, 1, 0, waiting>>>(go, seen);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpyAsync(memory, in.data(), bytes, cudaMemcpyHostToDevice, copying));
    CHECK(cudaMemcpyAsync(out.data(), memory, bytes, cudaMemcpyDeviceToHost, copying));
    CHECK(cudaStreamSynchronize(copying));
    EXPECT(cudaStreamQuery(waiting) == cudaErrorNotReady, "the kernel has not waited");
    *(volatile int *)go = 42;
    CHECK(cudaStreamSynchronize(waiting));
    CHECK(cudaMemcpy(&result, seen, sizeof result, cudaMemcpyDeviceToHost));
    EXPECT(result == 42, "the kernel has seen %d", result);
    EXPECT(in == out, "the copies have changed something");
    return 0;
}
