// SPDX-License-Identifier: Apache-2.0
//
// Sparse matrix times vector, rows of very different length, a warp to a row.
#include "check.h"

__global__ void by_warp(const int *rows, const int *columns, const double *values, const double *x, double *y, int n) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= n) return; // whole warps
    double sum = 0;
    for (int k = rows[row] + lane; k < rows[row + 1]; k += 32) sum += values[k] * x[columns[k]];
    for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(0xffffffff, sum, d);
    if (lane == 0) y[row] = sum;
}

__global__ void by_thread(const int *rows, const int *columns, const double *values, const double *x, double *y, int n) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n) return;
    double sum = 0;
    for (int k = rows[row]; k < rows[row + 1]; k++) sum += values[k] * x[columns[k]];
    y[row] = sum;
}

int main() {
    const int n = 1500;
    std::vector<int> rows(1, 0), columns;
    std::vector<double> values, x(n), want(n);
    Random random(29);
    for (double &v : x) v = (int)random.below(2001) - 1000;
    for (int r = 0; r < n; r++) {
        int count = random.below(10) ? random.below(8) : random.below(300);
        for (int k = 0; k < count; k++) {
            columns.push_back(random.below(n));
            values.push_back(((int)random.below(1001) - 500) / 16.0); // sums are exact
            want[r] += values.back() * x[columns.back()];
        }
        rows.push_back((int)columns.size());
    }
    int *dr = to_device(rows), *dc = to_device(columns);
    double *dv = to_device(values), *dx = to_device(x), *y = device_array<double>(n);
    by_warp<<<(n + 3) / 4, 128>>>(dr, dc, dv, dx, y, n);
    launched();
    expect_close("by warp", to_host(y, n), want, 0);
    by_thread<<<(n + 127) / 128, 128>>>(dr, dc, dv, dx, y, n);
    launched();
    expect_close("by thread", to_host(y, n), want, 0);
    return 0;
}
