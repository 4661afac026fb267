// SPDX-License-Identifier: Apache-2.0
//
// Prefix sums of any length: blocks, a scan of their sums, by recursion.
#include "check.h"

#define BLOCK 256

__global__ void scan_blocks(const unsigned *in, unsigned *out, unsigned *sums, int n) {
    __shared__ unsigned s[2 * BLOCK];
    int t = threadIdx.x, base = blockIdx.x * 2 * BLOCK;
    s[2 * t] = base + 2 * t < n ? in[base + 2 * t] : 0;
    s[2 * t + 1] = base + 2 * t + 1 < n ? in[base + 2 * t + 1] : 0;
    int offset = 1;
    for (int d = BLOCK; d > 0; d /= 2, offset *= 2) { // up the tree
        __syncthreads();
        if (t < d) s[offset * (2 * t + 2) - 1] += s[offset * (2 * t + 1) - 1];
    }
    __syncthreads();
    if (t == 0) {
        sums[blockIdx.x] = s[2 * BLOCK - 1];
        s[2 * BLOCK - 1] = 0;
    }
    for (int d = 1; d <= BLOCK; d *= 2) { // and down
        offset /= 2;
        __syncthreads();
        if (t < d) {
            int a = offset * (2 * t + 1) - 1, b = offset * (2 * t + 2) - 1;
            unsigned v = s[a];
            s[a] = s[b];
            s[b] += v;
        }
    }
    __syncthreads();
    for (int k = 0; k < 2; k++)
        if (base + 2 * t + k < n) out[base + 2 * t + k] = s[2 * t + k];
}

__global__ void add_sums(unsigned *out, const unsigned *sums, int n) {
    int i = blockIdx.x * 2 * BLOCK + threadIdx.x;
    unsigned s = sums[blockIdx.x];
    if (i < n) out[i] += s;
    if (i + BLOCK < n) out[i + BLOCK] += s;
}

void scan(const unsigned *in, unsigned *out, int n) {
    int blocks = (n + 2 * BLOCK - 1) / (2 * BLOCK);
    unsigned *sums, *scanned;
    CHECK(cudaMalloc(&sums, blocks * sizeof(unsigned)));
    scan_blocks<<<blocks, BLOCK>>>(in, out, sums, n);
    if (blocks > 1) {
        CHECK(cudaMalloc(&scanned, blocks * sizeof(unsigned)));
        scan(sums, scanned, blocks);
        add_sums<<<blocks, BLOCK>>>(out, scanned, n);
        CHECK(cudaFree(scanned));
    }
    CHECK(cudaFree(sums));
}

int main() {
    for (int n : {1, 2, 511, 512, 513, 50000, 270001}) {
        std::vector<unsigned> in(n), want(n);
        unsigned sum = 0;
        for (int i = 0; i < n; i++) {
            in[i] = i * 2654435761u >> 20;
            want[i] = sum;
            sum += in[i];
        }
        unsigned *d = to_device(in), *out = device_array<unsigned>(n);
        scan(d, out, n);
        launched();
        expect_same("scan", to_host(out, n), want);
        CHECK(cudaFree(d));
        CHECK(cudaFree(out));
    }
    return 0;
}
