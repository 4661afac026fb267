// SPDX-License-Identifier: Apache-2.0
//
// Many streams with work of their own; a stream destroyed with work pending
// finishes it; queries.
#include "check.h"

__global__ void step(unsigned *v, int n, unsigned a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] = v[i] * 1664525u + a;
}

int main() {
    const int count = 16, n = 2000, rounds = 20;
    cudaStream_t streams[count];
    std::vector<std::vector<unsigned>> want(count, std::vector<unsigned>(n));
    unsigned *device[count], *pinned;
    CHECK(cudaMallocHost(&pinned, count * n * sizeof(unsigned)));
    for (int s = 0; s < count; s++) {
        CHECK(s % 2 ? cudaStreamCreate(&streams[s]) : cudaStreamCreateWithFlags(&streams[s], cudaStreamNonBlocking));
        CHECK(cudaMalloc(&device[s], n * sizeof(unsigned)));
        for (int i = 0; i < n; i++) pinned[s * n + i] = want[s][i] = s * 1000 + i;
    }
    for (int s = 0; s < count; s++)
        CHECK(cudaMemcpyAsync(device[s], pinned + s * n, n * sizeof(unsigned), cudaMemcpyHostToDevice, streams[s]));
    for (int r = 0; r < rounds; r++) {
        for (int s = 0; s < count; s++) {
            step<<<(n + 127) / 128, 128, 0, streams[s]>>>(device[s], n, r + s);
            for (unsigned &v : want[s]) v = v * 1664525u + r + s;
        }
    }
    for (int s = 0; s < count; s++)
        CHECK(cudaMemcpyAsync(pinned + s * n, device[s], n * sizeof(unsigned), cudaMemcpyDeviceToHost, streams[s]));
    for (int s = 0; s < count; s++) {
        cudaError_t q = cudaStreamQuery(streams[s]);
        EXPECT(q == cudaSuccess || q == cudaErrorNotReady, "query gave %s", cudaGetErrorName(q));
        cudaGetLastError();
        if (s % 3 == 0) CHECK(cudaStreamDestroy(streams[s]));
    }
    CHECK(cudaDeviceSynchronize());
    for (int s = 0; s < count; s++) {
        expect_same("stream", std::vector<unsigned>(pinned + s * n, pinned + (s + 1) * n), want[s]);
        if (s % 3 == 0) continue;
        CHECK(cudaStreamQuery(streams[s]));
        unsigned flags = 9;
        CHECK(cudaStreamGetFlags(streams[s], &flags));
        EXPECT(flags == (s % 2 ? cudaStreamDefault : cudaStreamNonBlocking), "stream %d has flags %u", s, flags);
        CHECK(cudaStreamDestroy(streams[s]));
    }
    // Streams come and go without end.
    for (int i = 0; i < 300; i++) {
        cudaStream_t s;
        CHECK(cudaStreamCreate(&s));
        step<<<1, 32, 0, s>>>(device[0], 32, i);
        CHECK(cudaStreamDestroy(s));
    }
    CHECK(cudaDeviceSynchronize());
    return 0;
}
