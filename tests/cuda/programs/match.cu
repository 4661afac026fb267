// SPDX-License-Identifier: Apache-2.0
//
// Threads of a warp that hold the same value find one another.
// arch: 70
#include "check.h"

__global__ void match(const int *keys, unsigned *any, unsigned *all, unsigned long long *sums) {
    int t = threadIdx.x, lane = t % 32, same = 0;
    int key = keys[t];
    unsigned peers = __match_any_sync(0xffffffff, key);
    any[t] = peers;
    // The first warp's values differ, the second's do not.
    all[t] = __match_all_sync(0xffffffff, t < 32 ? key : 9, &same);
    if ((same != 0) != (t >= 32)) all[t] = 12345;
    unsigned long long wide = __match_any_sync(0xffffffff, (unsigned long long)key << 40 | 1);
    // One atomic for each group of equal keys.
    if (lane == __ffs(peers) - 1) atomicAdd(&sums[key], __popc(peers) + (wide == peers ? 0 : 1000));
}

int main() {
    std::vector<int> keys(64);
    Random random(11);
    for (int &k : keys) k = random.below(10);
    std::vector<unsigned> any(64), all(64, 0);
    for (int t = 32; t < 64; t++) all[t] = 0xffffffff;
    std::vector<unsigned long long> sums(10);
    for (int t = 0; t < 64; t++) {
        sums[keys[t]]++;
        for (int l = 0; l < 32; l++)
            if (keys[t / 32 * 32 + l] == keys[t]) any[t] |= 1u << l;
    }
    unsigned *da = device_array<unsigned>(64), *dl = device_array<unsigned>(64);
    unsigned long long *ds = to_device(std::vector<unsigned long long>(10, 0));
    match<<<1, 64>>>(to_device(keys), da, dl, ds);
    launched();
    expect_same("any", to_host(da, 64), any);
    expect_same("all", to_host(dl, 64), all);
    expect_same("groups", to_host(ds, 10), sums);
    return 0;
}
