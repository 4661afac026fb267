// SPDX-License-Identifier: Apache-2.0
//
// Threads of a warp that go different ways: nested branches, loops left at
// different times, early return, switch, break, continue and goto.
#include "check.h"

__host__ __device__ unsigned walk(unsigned seed, int lane, const unsigned *table) {
    unsigned r = seed;
    if (lane & 1) {
        if (lane & 2) r = r * 3 + 1;
        else if (lane & 4) r ^= 0x55555555;
        else r -= lane;
    } else {
        r += lane * 7;
    }
    // Collatz: each thread leaves the loop at its own time.
    unsigned n = (seed & 1023) + 1, steps = 0;
    while (n != 1) {
        n = n & 1 ? 3 * n + 1 : n / 2;
        steps++;
        if (steps > 200) break;
    }
    r += steps << 8;
    for (int i = 0; i < (lane & 7) + 2; i++) {
        for (int j = 0;; j++) {
            if (j > i + (int)(seed & 3)) break;
            if ((i + j) % 3 == 0) continue;
            r = r * 31 + i * j;
        }
        if (r % 11 == 0) goto out;
    }
    r ^= 0xabcdef;
out:
    switch (r % 9) {
    case 0: r += 1; break;
    case 1: r += table[1]; // falls through
    case 2: r *= 5; break;
    case 3: return r ^ table[3];
    case 5: r = ~r; break;
    case 6: r <<= 3; break;
    case 7: r = r / 7 + table[lane % 8]; break;
    default: r -= 9;
    }
    do {
        r = r * 1103515245 + 12345;
    } while ((r >> 16) % 5 != 0 && r % 13 != lane % 13u);
    return r;
}

__global__ void compute(const unsigned *seeds, const unsigned *table, unsigned *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return; // the last warp is not full
    out[i] = walk(seeds[i], threadIdx.x & 31, table);
}

int main() {
    const int n = 5000;
    std::vector<unsigned> seeds(n), table(8), want(n);
    Random random(8);
    for (unsigned &s : seeds) s = random.bits();
    for (unsigned &t : table) t = random.bits();
    for (int i = 0; i < n; i++) want[i] = walk(seeds[i], i % 96 % 32, table.data());
    unsigned *out = device_array<unsigned>(n);
    compute<<<(n + 95) / 96, 96>>>(to_device(seeds), to_device(table), out, n);
    launched();
    expect_same("walk", to_host(out, n), want);
    return 0;
}
