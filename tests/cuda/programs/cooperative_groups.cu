// SPDX-License-Identifier: Apache-2.0
//
// Cooperative groups within a block: tiles, coalesced threads, collectives.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

#include "check.h"

namespace cg = cooperative_groups;

template <int size> __device__ int tile_sum(cg::thread_block block, int v) {
    cg::thread_block_tile<size> tile = cg::tiled_partition<size>(block);
    for (int d = tile.size() / 2; d > 0; d /= 2) v += tile.shfl_xor(v, d);
    return v + (int)tile.meta_group_rank() * 100000;
}

__global__ void compute(int *out) {
    cg::thread_block block = cg::this_thread_block();
    int t = block.thread_rank(), *o = out + (block.group_index().x * block.size() + t) * 8;
    o[0] = tile_sum<32>(block, t);
    o[1] = tile_sum<8>(block, t);
    o[2] = tile_sum<2>(block, t);
    cg::thread_block_tile<16> tile = cg::tiled_partition<16>(block);
    o[3] = cg::reduce(tile, t, cg::greater<int>());
    o[4] = (int)tile.ballot(t % 5 == 0);
    o[5] = -1;
    if (t % 3 == 0) {
        // The threads here are counted by those that wait for each other.
        cg::coalesced_group active = cg::coalesced_threads();
        o[5] = active.thread_rank() < active.size() ? active.shfl(t, active.thread_rank()) : -2;
    }
    __shared__ int total;
    if (t == 0) total = 0;
    block.sync();
    if (tile.thread_rank() == 0) atomicAdd(&total, (int)tile.size());
    cg::sync(block);
    o[6] = total;
    o[7] = (int)(block.size() * 100 + block.group_index().x);
}

int main() {
    const int n = 128, blocks = 2;
    int *out = device_array<int>(blocks * n * 8);
    compute<<<blocks, n>>>(out);
    launched();
    std::vector<int> want(blocks * n * 8), got = to_host(out, blocks * n * 8);
    auto sum = [](int t, int size) {
        int base = t / size * size;
        return size * base + size * (size - 1) / 2 + t / size * 100000;
    };
    for (int i = 0; i < blocks * n; i++) {
        int *w = &want[i * 8], t = i % n, base = t / 16 * 16;
        w[0] = sum(t, 32);
        w[1] = sum(t, 8);
        w[2] = sum(t, 2);
        w[3] = base + 15;
        for (int l = 0; l < 16; l++) w[4] |= ((base + l) % 5 == 0) << l;
        w[5] = t % 3 == 0 ? t : -1;
        w[6] = n;
        w[7] = n * 100 + i / n;
    }
    expect_same("groups", got, want);
    return 0;
}
