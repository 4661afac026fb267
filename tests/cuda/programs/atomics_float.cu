// SPDX-License-Identifier: Apache-2.0
//
// Atomic addition of float, double and half pairs, and float maxima by compare
// and swap.
#include <cuda_fp16.h>

#include "check.h"

__device__ float atomic_max(float *p, float v) {
    int *bits = (int *)p, old = *bits, seen;
    do {
        seen = old;
        if (__int_as_float(seen) >= v) break;
        old = atomicCAS(bits, seen, __float_as_int(v));
    } while (old != seen);
    return __int_as_float(old);
}

// The summands are small multiples of powers of two, so that every order gives
// the same sum.
__global__ void sums(float *f, double *d, __half2 *h, float *m, int n) {
    __shared__ float block_f;
    __shared__ double block_d;
    if (threadIdx.x == 0) block_f = 0, block_d = 0;
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        atomicAdd(f, (i % 64) * 0.25f);
        atomicAdd(d, (i % 1000) * 0.125);
        atomicAdd(h, __floats2half2_rn(i % 2, (i % 4) * 0.25f));
        atomicAdd(&block_f, 0.5f);
        atomicAdd(&block_d, -0.25);
        atomic_max(m, i * 37 % 5003 - 100.5f);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        atomicAdd(f + 1, block_f);
        atomicAdd(d + 1, block_d);
    }
}

__global__ void returned(double *sum, int *seen) {
    // Each partial sum is given to exactly one thread.
    atomicAdd(&seen[(int)atomicAdd(sum, 1.0)], 1);
}

int main() {
    const int n = 1000;
    float *f = to_device(std::vector<float>{0, 0}), *m = to_device(std::vector<float>{-1e30f});
    double *d = to_device(std::vector<double>{0, 0, 0});
    float *h = to_device(std::vector<float>{0});
    sums<<<(n + 127) / 128, 128>>>(f, d, (__half2 *)h, m, n);
    launched();
    std::vector<float> fw(2), mw{-1e30f}, hw(2);
    std::vector<double> dw(2);
    for (int i = 0; i < n; i++) {
        fw[0] += (i % 64) * 0.25f;
        fw[1] += 0.5f;
        dw[0] += (i % 1000) * 0.125;
        dw[1] -= 0.25;
        hw[0] += i % 2;
        hw[1] += (i % 4) * 0.25f;
        mw[0] = std::max(mw[0], i * 37 % 5003 - 100.5f);
    }
    expect_same("float", to_host(f, 2), fw);
    expect_same("double", to_host(d, 2), dw);
    expect_same("maximum", to_host(m, 1), mw);
    __half pair[2];
    CHECK(cudaMemcpy(pair, h, 4, cudaMemcpyDeviceToHost));
    expect_same("half2", std::vector<float>{__half2float(pair[0]), __half2float(pair[1])}, hw);
    int *seen = to_device(std::vector<int>(600, 0));
    returned<<<6, 100>>>(d + 2, seen);
    launched();
    expect_same("partial sums", to_host(seen, 600), std::vector<int>(600, 1));
    return 0;
}
