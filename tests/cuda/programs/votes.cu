// SPDX-License-Identifier: Apache-2.0
//
// Votes of a warp: ballot, any, all, by the whole warp, by part of it, and in a
// warp that is not full.
#include "check.h"

__global__ void vote(unsigned *out, int limit) {
    int t = threadIdx.x, lane = t % 32;
    unsigned full = __ballot_sync(0xffffffff, true); // the block is a multiple of 32
    unsigned below = __ballot_sync(0xffffffff, lane < limit);
    int any = __any_sync(0xffffffff, lane == limit), all = __all_sync(0xffffffff, lane < limit);
    unsigned part = 0;
    if (lane % 2 == 0) part = __ballot_sync(0x55555555, lane % 3 == 0);
    else part = __all_sync(0xaaaaaaaa, lane % 2) + 2 * (__any_sync(0xaaaaaaaa, lane == 4) != 0);
    unsigned *o = out + t * 5;
    o[0] = full;
    o[1] = below;
    o[2] = any != 0;
    o[3] = all != 0;
    o[4] = part;
}

__global__ void compact(const int *in, int *out, int *count, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    bool keep = i < n && in[i] % 3 == 1;
    unsigned kept = __ballot_sync(0xffffffff, keep);
    int lane = threadIdx.x % 32, base = 0;
    if (lane == 0) base = atomicAdd(count, __popc(kept));
    base = __shfl_sync(0xffffffff, base, 0);
    if (keep) out[base + __popc(kept & ((1u << lane) - 1))] = in[i];
}

__global__ void partial_warp(unsigned *out) {
    out[threadIdx.x] = __ballot_sync((1u << 13) - 1, threadIdx.x % 2) | __activemask() << 16;
}

int main() {
    unsigned *out = device_array<unsigned>(64 * 5);
    for (int limit : {0, 1, 7, 31, 32}) {
        vote<<<1, 64>>>(out, limit);
        launched();
        std::vector<unsigned> want(64 * 5);
        for (int t = 0; t < 64; t++) {
            unsigned thirds = 0;
            for (int l = 0; l < 32; l += 6) thirds |= 1u << l;
            want[t * 5] = 0xffffffff;
            want[t * 5 + 1] = limit == 32 ? 0xffffffff : (1u << limit) - 1;
            want[t * 5 + 2] = limit < 32;
            want[t * 5 + 3] = limit == 32;
            want[t * 5 + 4] = t % 2 ? 1 : thirds;
        }
        expect_same("vote", to_host(out, 64 * 5), want);
    }
    const int n = 1000;
    std::vector<int> in(n), want;
    for (int i = 0; i < n; i++) {
        in[i] = i * 17 % 5000;
        if (in[i] % 3 == 1) want.push_back(in[i]);
    }
    int *kept = device_array<int>(n), *count = to_device(std::vector<int>{0});
    compact<<<8, 128>>>(to_device(in), kept, count, n);
    launched();
    std::vector<int> got = to_host(kept, to_host(count, 1)[0]);
    // Warps come in any order.
    std::vector<int> sum(1), sum_want(1);
    for (int v : got) sum[0] += v * (v % 7 + 1);
    for (int v : want) sum_want[0] += v * (v % 7 + 1);
    EXPECT(got.size() == want.size(), "%zu kept, want %zu", got.size(), want.size());
    expect_same("kept", sum, sum_want);
    partial_warp<<<1, 13>>>(out);
    launched();
    expect_same("warp of 13", to_host(out, 13), std::vector<unsigned>(13, 0x0aaa | 0x1fffu << 16));
    return 0;
}
