// SPDX-License-Identifier: Apache-2.0
//
// Blocks of an ordinary launch that wait for one another, as programs have them that launch no more than fit.
#include "check.h"

// Every block raises the count, then waits until all have, round after round.
__global__ void rounds(unsigned *count, int *out, int n) {
    for (int round = 1; round <= n; ++round) {
        __syncthreads();
        if (threadIdx.x == 0) {
            atomicAdd(count, 1);
            while (*(volatile unsigned *)count < round * gridDim.x) {
            }
        }
        __syncthreads();
        // What the neighbour wrote in the round before is there.
        int next = (blockIdx.x + 1) % gridDim.x, *was = out + (round - 1) % 2 * gridDim.x, *now = out + round % 2 * gridDim.x;
        if (threadIdx.x == 0) {
            now[blockIdx.x] = ((volatile int *)was)[next] + 1;
            __threadfence();
        }
    }
}

int main() {
    int fit, sms;
    CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&fit, rounds, 64, 0));
    CHECK(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0));
    const int blocks = fit * sms < 48 ? fit * sms : 48, n = 5;
    unsigned *count;
    int *out, got[2 * 48];
    CHECK(cudaMalloc(&count, sizeof *count));
    CHECK(cudaMalloc(&out, sizeof got));
    CHECK(cudaMemset(count, 0, sizeof *count));
    CHECK(cudaMemset(out, 0, sizeof got));
    rounds<<<blocks, 64>>>(count, out, n);
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(got, out, sizeof got, cudaMemcpyDeviceToHost));
    for (int i = 0; i < blocks; ++i) {
        int v = got[n % 2 * blocks + i];
        EXPECT(v == n, "block %d counted %d rounds", i, v);
    }
    return 0;
}
