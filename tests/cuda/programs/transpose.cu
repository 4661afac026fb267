// SPDX-License-Identifier: Apache-2.0
//
// Matrix transposed through shared memory with a padded row, for several types.
#include "check.h"

#define TILE 32
#define ROWS 8

template <class T> __global__ void transpose(const T *in, T *out, int w, int h) {
    __shared__ T tile[TILE][TILE + 1];
    int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
    for (int j = 0; j < TILE; j += ROWS)
        if (x < w && y + j < h) tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * w + x];
    __syncthreads();
    x = blockIdx.y * TILE + threadIdx.x;
    y = blockIdx.x * TILE + threadIdx.y;
    for (int j = 0; j < TILE; j += ROWS)
        if (x < h && y + j < w) out[(y + j) * h + x] = tile[threadIdx.x][threadIdx.y + j];
}

template <class T> void check(const char *name, int w, int h) {
    std::vector<T> in(w * h), want(w * h);
    for (int i = 0; i < w * h; i++) in[i] = (T)(i * 3 + 1);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) want[x * h + y] = in[y * w + x];
    T *out = device_array<T>(w * h);
    transpose<T><<<dim3((w + TILE - 1) / TILE, (h + TILE - 1) / TILE), dim3(TILE, ROWS)>>>(to_device(in), out, w, h);
    launched();
    expect_same(name, to_host(out, w * h), want);
}

int main() {
    check<float>("float", 128, 64);
    check<float>("float", 101, 203);
    check<double>("double", 77, 45);
    check<int>("int", 33, 1);
    return 0;
}
