// SPDX-License-Identifier: Apache-2.0
//
// Local memory: arrays of a thread's own under indices known only at run time,
// addresses handed to functions, copies by memcpy and memset.
#include "check.h"

__device__ __noinline__ void exchange(int *a, int *b) {
    int t = *a;
    *a = *b;
    *b = t;
}

__host__ __device__ unsigned step(unsigned &s) { return s = s * 1664525u + 1013904223u; }

__global__ void shuffle(unsigned *out, int size) {
    int array[64];
    unsigned char bytes[64], copy[64];
    unsigned s = blockIdx.x * blockDim.x + threadIdx.x;
    for (int i = 0; i < size; i++) array[i] = i;
    memset(bytes, 0x11, sizeof bytes);
    for (int i = size - 1; i > 0; i--) {
        int j = (step(s) >> 8) % (i + 1);
        exchange(&array[i], &array[j]);
        bytes[j] += i;
    }
    memcpy(copy, bytes, sizeof copy);
    unsigned hash = 0;
    for (int i = 0; i < size; i++) hash = hash * 31 + array[i] * 256 + copy[i];
    out[blockIdx.x * blockDim.x + threadIdx.x] = hash;
}

int main() {
    const int n = 512, size = 61;
    unsigned *out = device_array<unsigned>(n);
    shuffle<<<4, n / 4>>>(out, size);
    launched();
    std::vector<unsigned> want(n);
    for (int t = 0; t < n; t++) {
        int array[64];
        unsigned char bytes[64];
        unsigned s = t, hash = 0;
        for (int i = 0; i < size; i++) array[i] = i;
        memset(bytes, 0x11, sizeof bytes);
        for (int i = size - 1; i > 0; i--) {
            int j = (step(s) >> 8) % (i + 1);
            std::swap(array[i], array[j]);
            bytes[j] += i;
        }
        for (int i = 0; i < size; i++) hash = hash * 31 + array[i] * 256 + bytes[i];
        want[t] = hash;
    }
    expect_same("shuffle", to_host(out, n), want);
    return 0;
}
