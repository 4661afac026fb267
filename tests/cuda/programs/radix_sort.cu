// SPDX-License-Identifier: Apache-2.0
//
// Radix sort of keys with values: histogram, scan, stable scatter by ballots.
#include <algorithm>
#include <numeric>

#include "check.h"

#define BITS 4
#define DIGITS (1 << BITS)
#define BLOCK 128

__global__ void count(const unsigned *keys, unsigned *counts, int n, int shift) {
    __shared__ unsigned local[DIGITS];
    if (threadIdx.x < DIGITS) local[threadIdx.x] = 0;
    __syncthreads();
    int i = blockIdx.x * BLOCK + threadIdx.x;
    if (i < n) atomicAdd(&local[keys[i] >> shift & (DIGITS - 1)], 1);
    __syncthreads();
    if (threadIdx.x < DIGITS) counts[threadIdx.x * gridDim.x + blockIdx.x] = local[threadIdx.x];
}

// One block scans all counts, a piece per thread.
__global__ void scan(unsigned *counts, int n) {
    __shared__ unsigned sums[256];
    int per = (n + 255) / 256, from = min(n, per * (int)threadIdx.x), to = min(n, from + per);
    unsigned sum = 0;
    for (int i = from; i < to; i++) sum += counts[i];
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int d = 1; d < 256; d *= 2) {
        unsigned v = (int)threadIdx.x >= d ? sums[threadIdx.x - d] : 0;
        __syncthreads();
        sums[threadIdx.x] += v;
        __syncthreads();
    }
    unsigned before = sums[threadIdx.x] - sum;
    for (int i = from; i < to; i++) {
        unsigned c = counts[i];
        counts[i] = before;
        before += c;
    }
}

__global__ void scatter(const unsigned *keys, const unsigned *values, unsigned *keys_out, unsigned *values_out,
                        const unsigned *offsets, int n, int shift) {
    __shared__ unsigned warp_counts[DIGITS][BLOCK / 32];
    int i = blockIdx.x * BLOCK + threadIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    unsigned key = i < n ? keys[i] : 0, digit = key >> shift & (DIGITS - 1), peers = __ballot_sync(0xffffffff, i < n);
    unsigned valid = peers;
    for (int b = 0; b < BITS; b++) {
        unsigned set = __ballot_sync(0xffffffff, digit >> b & 1);
        peers &= digit >> b & 1 ? set : ~set;
    }
    for (int d = lane; d < DIGITS; d += 32) warp_counts[d][warp] = 0;
    __syncwarp();
    unsigned rank = __popc(peers & ((1u << lane) - 1));
    if ((valid >> lane & 1) && rank == 0) warp_counts[digit][warp] = __popc(peers);
    __syncthreads();
    if (i < n) {
        unsigned at = offsets[digit * gridDim.x + blockIdx.x] + rank;
        for (int w = 0; w < warp; w++) at += warp_counts[digit][w];
        keys_out[at] = key;
        values_out[at] = values[i];
    }
}

int main() {
    const int n = 10007, grid = (n + BLOCK - 1) / BLOCK;
    std::vector<unsigned> keys(n), values(n), order(n), kw(n), vw(n);
    Random random(22);
    for (int i = 0; i < n; i++) keys[i] = random.bits() & 0xffff, values[i] = i;
    unsigned *k[2] = {to_device(keys), device_array<unsigned>(n)}, *v[2] = {to_device(values), device_array<unsigned>(n)};
    unsigned *counts = device_array<unsigned>(DIGITS * grid);
    for (int shift = 0; shift < 16; shift += BITS) {
        count<<<grid, BLOCK>>>(k[0], counts, n, shift);
        scan<<<1, 256>>>(counts, DIGITS * grid);
        scatter<<<grid, BLOCK>>>(k[0], v[0], k[1], v[1], counts, n, shift);
        std::swap(k[0], k[1]);
        std::swap(v[0], v[1]);
    }
    launched();
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](unsigned a, unsigned b) { return keys[a] < keys[b]; });
    for (int i = 0; i < n; i++) kw[i] = keys[order[i]], vw[i] = order[i];
    expect_same("keys", to_host(k[0], n), kw);
    expect_same("values", to_host(v[0], n), vw);
    return 0;
}
