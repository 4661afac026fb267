// SPDX-License-Identifier: Apache-2.0
//
// What a blocking copy has written is there for streams that do not wait for the default stream.
#include "check.h"

__global__ void spin(long long cycles) {
    long long begin = clock64();
    while (clock64() - begin < cycles) {}
}

__global__ void take(const int *from, int *to) { to[threadIdx.x] = from[threadIdx.x]; }

// hand_over copies to the GPU, behind work of the default stream, and has another stream read it.
static void hand_over(int *from, int *to, cudaStream_t s, int value, bool busy) {
    int in[64], out[64];
    for (int i = 0; i < 64; i++) in[i] = value + i;
    if (busy) spin<<<1, 1>>>(300000);
    CHECK(cudaMemcpy(from, in, sizeof in, cudaMemcpyHostToDevice));
    take<<<1, 64, 0, s>>>(from, to);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpyAsync(out, to, sizeof out, cudaMemcpyDeviceToHost, s));
    CHECK(cudaStreamSynchronize(s));
    for (int i = 0; i < 64; i++) EXPECT(out[i] == value + i, "copy %d: the other stream has read %d, want %d", value, out[i], value + i);
}

int main() {
    int *from, *to;
    cudaStream_t first, second;
    CHECK(cudaMalloc(&from, 64 * sizeof(int)));
    CHECK(cudaMalloc(&to, 64 * sizeof(int)));

    // The stream is made behind the copy.
    int in[64], out[64];
    for (int i = 0; i < 64; i++) in[i] = -i;
    spin<<<1, 1>>>(300000);
    CHECK(cudaMemcpy(from, in, sizeof in, cudaMemcpyHostToDevice));
    CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
    take<<<1, 64, 0, first>>>(from, to);
    CHECK(cudaMemcpyAsync(out, to, sizeof out, cudaMemcpyDeviceToHost, first));
    CHECK(cudaStreamSynchronize(first));
    for (int i = 0; i < 64; i++) EXPECT(out[i] == in[i], "the new stream has read %d, want %d", out[i], in[i]);

    for (int i = 1; i <= 100; i++) hand_over(from, to, first, 100 * i, i % 10 == 0);
    CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
    for (int i = 1; i <= 100; i++) hand_over(from, to, i % 2 ? first : second, -100 * i, i % 10 == 0);
    CHECK(cudaDeviceSynchronize());
    return 0;
}
