// SPDX-License-Identifier: Apache-2.0
//
// Conway's game of life on a torus, 32 cells to a word.
#include "check.h"

__host__ __device__ unsigned next(unsigned l[3], unsigned c[3], unsigned r[3]) {
    unsigned result = 0;
    for (int b = 0; b < 32; b++) {
        int n = 0;
        for (int row = 0; row < 3; row++) {
            n += b == 0 ? l[row] >> 31 & 1 : c[row] >> (b - 1) & 1;
            n += b == 31 ? r[row] & 1 : c[row] >> (b + 1) & 1;
            if (row != 1) n += c[row] >> b & 1;
        }
        unsigned alive = c[1] >> b & 1;
        result |= (unsigned)(n == 3 || (alive && n == 2)) << b;
    }
    return result;
}

__host__ __device__ unsigned cell(const unsigned *in, int w, int h, int x, int y) {
    unsigned l[3], c[3], r[3];
    for (int k = 0; k < 3; k++) {
        const unsigned *row = in + (y + k - 1 + h) % h * w;
        l[k] = row[(x + w - 1) % w];
        c[k] = row[x];
        r[k] = row[(x + 1) % w];
    }
    return next(l, c, r);
}

__global__ void generation(const unsigned *in, unsigned *out, int w, int h) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    if (x < w) out[y * w + x] = cell(in, w, h, x, y);
}

int main() {
    const int w = 4, h = 100, generations = 16;
    std::vector<unsigned> a(w * h), b(w * h);
    Random random(28);
    for (unsigned &v : a) v = random.bits() & random.bits();
    unsigned *d[2] = {to_device(a), device_array<unsigned>(w * h)};
    for (int g = 0; g < generations; g++) {
        generation<<<dim3(1, h), 32>>>(d[g & 1], d[(g + 1) & 1], w, h);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) b[y * w + x] = cell(a.data(), w, h, x, y);
        a.swap(b);
    }
    launched();
    expect_same("cells", to_host(d[generations & 1], w * h), a);
    return 0;
}
