// SPDX-License-Identifier: Apache-2.0
//
// Tiled matrix product through shared memory, of sizes that do not fit the tile.
#include "check.h"

#define TILE 16

__global__ void matmul(const float *a, const float *b, float *c, int m, int n, int k) {
    __shared__ float ta[TILE][TILE], tb[TILE][TILE];
    int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * TILE + y, column = blockIdx.x * TILE + x;
    float sum = 0;
    for (int t = 0; t < k; t += TILE) {
        ta[y][x] = row < m && t + x < k ? a[row * k + t + x] : 0;
        tb[y][x] = column < n && t + y < k ? b[(t + y) * n + column] : 0;
        __syncthreads();
        for (int i = 0; i < TILE; i++) sum = fmaf(ta[y][i], tb[i][x], sum);
        __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = sum;
}

int main() {
    const int m = 150, n = 133, k = 170;
    std::vector<float> a(m * k), b(k * n), want(m * n);
    Random random(20);
    for (float &v : a) v = random.real() - 0.5f;
    for (float &v : b) v = random.real() - 0.5f;
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int l = 0; l < k; l++) sum = fmaf(a[i * k + l], b[l * n + j], sum);
            want[i * n + j] = sum;
        }
    }
    float *c = device_array<float>(m * n);
    matmul<<<dim3((n + TILE - 1) / TILE, (m + TILE - 1) / TILE), dim3(TILE, TILE)>>>(to_device(a), to_device(b), c, m, n, k);
    launched();
    // The same operations in the same order: the same bits, but for the sign of zero.
    expect_close("product", to_host(c, m * n), want, 0);
    return 0;
}
