// SPDX-License-Identifier: Apache-2.0
//
// Gaussian elimination with row exchange in one block, and Jacobi iteration
// until it converges.
#include "check.h"

__global__ void gauss(double *m, int n) {
    __shared__ int pivot;
    int t = threadIdx.x, w = n + 1;
    for (int c = 0; c < n; c++) {
        if (t == 0) {
            pivot = c;
            for (int r = c + 1; r < n; r++)
                if (fabs(m[r * w + c]) > fabs(m[pivot * w + c])) pivot = r;
        }
        __syncthreads();
        if (pivot != c) {
            for (int k = t; k < w; k += blockDim.x) {
                double v = m[c * w + k];
                m[c * w + k] = m[pivot * w + k];
                m[pivot * w + k] = v;
            }
        }
        __syncthreads();
        for (int r = t; r < n; r += blockDim.x) {
            if (r == c) continue;
            double f = m[r * w + c] / m[c * w + c];
            for (int k = c; k < w; k++) m[r * w + k] -= f * m[c * w + k];
        }
        __syncthreads();
    }
}

__global__ void jacobi(const double *a, const double *b, const double *x, double *next, unsigned *moved, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double s = b[i];
    for (int k = 0; k < n; k++)
        if (k != i) s -= a[i * n + k] * x[k];
    next[i] = s / a[i * n + i];
    if (fabs(next[i] - x[i]) > 1e-13) atomicAdd(moved, 1);
}

int main() {
    const int n = 60, w = n + 1;
    std::vector<double> a(n * n), x(n), b(n), m(n * w);
    Random random(33);
    for (int i = 0; i < n; i++) {
        x[i] = random.real() * 4 - 2;
        for (int k = 0; k < n; k++) a[i * n + k] = random.real() - 0.5;
    }
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            for (int i = 0; i < n; i++) a[i * n + i] += n; // Jacobi needs a strong diagonal
        for (int i = 0; i < n; i++) {
            b[i] = 0;
            for (int k = 0; k < n; k++) m[i * w + k] = a[i * n + k], b[i] += a[i * n + k] * x[k];
            m[i * w + n] = b[i];
        }
        double *d = to_device(m);
        gauss<<<1, 64>>>(d, n);
        launched();
        std::vector<double> r = to_host(d, n * w), got(n);
        for (int i = 0; i < n; i++) got[i] = r[i * w + n] / r[i * w + i];
        expect_close("gauss", got, x, 1e-9);
    }
    double *da = to_device(a), *db = to_device(b), *v[2] = {to_device(std::vector<double>(n, 0)), device_array<double>(n)};
    unsigned *moved = device_array<unsigned>(1), still = 1;
    int rounds = 0;
    for (; still && rounds < 200; rounds++) {
        CHECK(cudaMemset(moved, 0, sizeof(unsigned)));
        jacobi<<<2, 32>>>(da, db, v[rounds & 1], v[(rounds + 1) & 1], moved, n);
        CHECK(cudaMemcpy(&still, moved, sizeof still, cudaMemcpyDeviceToHost));
    }
    EXPECT(still == 0, "no convergence in %d rounds", rounds);
    expect_close("jacobi", to_host(v[rounds & 1], n), x, 1e-11);
    return 0;
}
