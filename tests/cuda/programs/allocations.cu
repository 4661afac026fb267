// SPDX-License-Identifier: Apache-2.0
//
// Allocations are aligned, do not overlap, keep their content beside others
// that come and go, and are counted in the memory that is free.
#include "check.h"

__global__ void write(unsigned *p, size_t words, unsigned v) {
    for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < words; i += gridDim.x * blockDim.x) p[i] = v + (unsigned)i;
}

__global__ void verify(const unsigned *p, size_t words, unsigned v, unsigned *wrong) {
    for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < words; i += gridDim.x * blockDim.x)
        if (p[i] != v + (unsigned)i) atomicAdd(wrong, 1);
}

struct Block { unsigned *p; size_t words; unsigned seed; };

int main() {
    unsigned *wrong = to_device(std::vector<unsigned>{0});
    std::vector<Block> blocks;
    Random random(13);
    for (int step = 0; step < 300; step++) {
        if (blocks.size() < 40 && random.below(5) > 1) {
            Block b = {nullptr, 1 + random.below(1u << (4 + random.below(10))), random.bits()};
            CHECK(cudaMalloc(&b.p, b.words * 4));
            EXPECT((uintptr_t)b.p % 256 == 0, "%p is not aligned to 256 bytes", (void *)b.p);
            for (const Block &o : blocks)
                EXPECT(b.p + b.words <= o.p || o.p + o.words <= b.p, "%p and %p overlap", (void *)b.p, (void *)o.p);
            write<<<2, 64>>>(b.p, b.words, b.seed);
            blocks.push_back(b);
        } else if (!blocks.empty()) {
            int k = random.below((uint32_t)blocks.size());
            verify<<<2, 64>>>(blocks[k].p, blocks[k].words, blocks[k].seed, wrong);
            CHECK(cudaFree(blocks[k].p));
            blocks[k] = blocks.back();
            blocks.pop_back();
        }
    }
    for (const Block &b : blocks) {
        verify<<<2, 64>>>(b.p, b.words, b.seed, wrong);
        CHECK(cudaFree(b.p));
    }
    launched();
    expect_same("words that changed", to_host(wrong, 1), std::vector<unsigned>{0});

    // Others may use the same GPU: one try of several must find it quiet.
    const size_t large = 64 << 20, slack = 4 << 20;
    size_t before, during, after, total;
    bool counted = false;
    for (int attempt = 0; attempt < 20 && !counted; attempt++) {
        void *p;
        CHECK(cudaMemGetInfo(&before, &total));
        EXPECT(before > 0 && before <= total, "%zu of %zu bytes are free", before, total);
        CHECK(cudaMalloc(&p, large));
        CHECK(cudaMemGetInfo(&during, &total));
        CHECK(cudaFree(p));
        CHECK(cudaMemGetInfo(&after, &total));
        counted = during + large <= before + slack && before <= during + large + slack && after + slack >= before;
    }
    EXPECT(counted, "with 64 MiB taken and given back, free went from %zu to %zu to %zu", before, during, after);
    return 0;
}
