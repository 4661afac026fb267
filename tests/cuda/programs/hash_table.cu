// SPDX-License-Identifier: Apache-2.0
//
// A hash table with open addresses, filled and read by all threads at once.
#include <map>

#include "check.h"

#define EMPTY 0xffffffffu

struct Slot { unsigned key, count; };

__device__ unsigned place(unsigned key, unsigned mask) { return key * 2654435761u >> 7 & mask; }

__global__ void insert(Slot *table, unsigned mask, const unsigned *keys, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    for (unsigned at = place(keys[i], mask);; at = (at + 1) & mask) {
        unsigned old = atomicCAS(&table[at].key, EMPTY, keys[i]);
        if (old == EMPTY || old == keys[i]) {
            atomicAdd(&table[at].count, 1);
            return;
        }
    }
}

__global__ void lookup(const Slot *table, unsigned mask, const unsigned *keys, unsigned *counts, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned at = place(keys[i], mask);
    while (table[at].key != EMPTY && table[at].key != keys[i]) at = (at + 1) & mask;
    counts[i] = table[at].key == keys[i] ? table[at].count : 0;
}

int main() {
    const int n = 6000, slots = 4096;
    std::vector<unsigned> keys(n), asked(n), want(n);
    std::map<unsigned, unsigned> counts;
    Random random(32);
    for (unsigned &k : keys) counts[k = random.below(3000) * 977]++;
    for (int i = 0; i < n; i++) {
        asked[i] = random.below(6000) * 977;
        auto it = counts.find(asked[i]);
        want[i] = it == counts.end() ? 0 : it->second;
    }
    Slot *table = to_device(std::vector<Slot>(slots, {EMPTY, 0}));
    unsigned *out = device_array<unsigned>(n);
    insert<<<(n + 127) / 128, 128>>>(table, slots - 1, to_device(keys), n);
    lookup<<<(n + 127) / 128, 128>>>(table, slots - 1, to_device(asked), out, n);
    launched();
    expect_same("counts", to_host(out, n), want);
    return 0;
}
