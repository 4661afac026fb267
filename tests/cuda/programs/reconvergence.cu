// SPDX-License-Identifier: Apache-2.0
//
// After a divergent part, threads that __syncwarp names again exchange values;
// parts of a warp synchronise among themselves.
#include "check.h"

__global__ void compute(int *out) {
    int lane = threadIdx.x & 31, value = 0;
    for (int i = 0; i <= lane; i++) value += i; // lanes leave one by one
    __syncwarp();
    int neighbour = __shfl_xor_sync(0xffffffff, value, 1);

    // Each half of the warp has an exchange of its own within a branch.
    int half;
    if (lane < 16) {
        if (lane % 3 == 0) value *= 2;
        half = __shfl_sync(0x0000ffff, value, 15 - lane);
    } else {
        half = -__shfl_down_sync(0xffff0000, value, 1, 16);
    }
    __syncwarp();

    // A loop in which the set of those that go on shrinks; each round's
    // participants are known by a vote that all take part in.
    int rounds = lane % 5, total = 0;
    bool active = true;
    while (true) {
        unsigned going = __ballot_sync(0xffffffff, active && rounds > 0);
        if (going == 0) break;
        if (going >> lane & 1) {
            total += __popc(__activemask() & going) > 0 ? __popc(going) : -1000;
            rounds--;
        }
        __syncwarp();
    }
    __shared__ int shared[64];
    shared[threadIdx.x] = total;
    __syncwarp();
    int other = shared[threadIdx.x ^ 1];
    int *o = out + threadIdx.x * 4;
    o[0] = neighbour;
    o[1] = half;
    o[2] = total;
    o[3] = other;
}

int main() {
    int *out = device_array<int>(64 * 4);
    compute<<<1, 64>>>(out);
    launched();
    std::vector<int> want(64 * 4);
    int values[32], doubled[32], totals[32];
    for (int l = 0; l < 32; l++) {
        values[l] = l * (l + 1) / 2;
        doubled[l] = l < 16 && l % 3 == 0 ? values[l] * 2 : values[l];
        totals[l] = 0;
        for (int r = 0; r < l % 5; r++)
            for (int k = 0; k < 32; k++) totals[l] += k % 5 > r;
    }
    for (int t = 0; t < 64; t++) {
        int l = t % 32;
        want[t * 4] = values[l ^ 1];
        want[t * 4 + 1] = l < 16 ? doubled[15 - l] : -doubled[l == 31 ? 31 : l + 1];
        want[t * 4 + 2] = totals[l];
        want[t * 4 + 3] = totals[l ^ 1];
    }
    expect_same("exchange", to_host(out, 64 * 4), want);
    return 0;
}
