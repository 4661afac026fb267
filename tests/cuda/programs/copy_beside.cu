// SPDX-License-Identifier: Apache-2.0
//
// What a blocking copy has written is there for streams that do not wait for the default stream. Copies of more than 64 KiB
// also wait for what the default stream had to do before.
#include "check.h"

static const int N = 32 << 10;

__global__ void spin(long long cycles) {
    long long begin = clock64();
    while (clock64() - begin < cycles) {}
}

__global__ void take(const int *from, int *to, int n) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) to[i] = from[i];
}

// hand_over copies n integers to the GPU and has another stream, which it makes if there is none, read them.
static void hand_over(int *from, int *to, cudaStream_t *s, int value, int n, bool busy) {
    std::vector<int> in(n), out(n);
    for (int i = 0; i < n; i++) in[i] = value + i;
    if (busy) spin<<<1, 1>>>(300000);
    CHECK(cudaMemcpy(from, in.data(), n * sizeof(int), cudaMemcpyHostToDevice));
    if (!*s) CHECK(cudaStreamCreateWithFlags(s, cudaStreamNonBlocking));
    take<<<1, 256, 0, *s>>>(from, to, n);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpyAsync(out.data(), to, n * sizeof(int), cudaMemcpyDeviceToHost, *s));
    CHECK(cudaStreamSynchronize(*s));
    for (int i = 0; i < n; i++) EXPECT(out[i] == in[i], "of the copy from %d on, the other stream has read %d, want %d", value, out[i], in[i]);
}

int main() {
    int *from, *to;
    cudaStream_t first = 0, second = 0;
    CHECK(cudaMalloc(&from, N * sizeof(int)));
    CHECK(cudaMalloc(&to, N * sizeof(int)));
    for (int i = 1; i <= 20; i++) hand_over(from, to, &first, 100000 * i, N, true);
    for (int i = 1; i <= 200; i++) hand_over(from, to, i % 2 ? &first : &second, -1000 * i, 64, false);
    CHECK(cudaDeviceSynchronize());
    return 0;
}
