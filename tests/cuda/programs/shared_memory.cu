// SPDX-License-Identifier: Apache-2.0
//
// Shared memory: static arrays of several types, dynamic memory of a size set at
// launch and cut into parts, no leak of one block's into another's result.
#include "check.h"

__global__ void reverse(const float *in, float *out, int n) {
    __shared__ float tile[128];
    int base = blockIdx.x * 128, t = threadIdx.x;
    if (base + t < n) tile[t] = in[base + t];
    __syncthreads();
    int last = min(128, n - base) - 1;
    if (t <= last) out[base + t] = tile[last - t];
}

__global__ void several(int *out) {
    __shared__ char bytes[37];
    __shared__ double doubles[32];
    __shared__ struct { short s; int i; } records[32];
    int t = threadIdx.x;
    bytes[t] = (char)t;
    if (t == 0) for (int i = 32; i < 37; i++) bytes[i] = 100;
    doubles[t] = t * 0.5;
    records[t].s = (short)-t;
    records[t].i = t << 20;
    __syncthreads();
    int r = 31 - t;
    out[t] = bytes[r + 5] + (int)(doubles[r] * 2) * 1000 + records[r].s + records[r].i;
}

extern __shared__ __align__(16) unsigned char dynamic[];

__global__ void parts(const int *in, long long *out, int ints, int longs) {
    long long *b = (long long *)dynamic;
    int *a = (int *)(dynamic + longs * sizeof(long long));
    for (int i = threadIdx.x; i < ints; i += blockDim.x) a[i] = in[i] + blockIdx.x;
    for (int i = threadIdx.x; i < longs; i += blockDim.x) b[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < longs; i += blockDim.x)
        for (int k = i; k < ints; k += longs) b[i] += a[k];
    __syncthreads();
    for (int i = threadIdx.x; i < longs; i += blockDim.x) out[blockIdx.x * longs + i] = b[longs - 1 - i];
}

int main() {
    const int n = 1000;
    std::vector<float> in(n), want(n);
    for (int i = 0; i < n; i++) in[i] = i * 0.25f;
    for (int b = 0; b < n; b += 128) {
        int last = std::min(128, n - b) - 1;
        for (int t = 0; t <= last; t++) want[b + t] = in[b + last - t];
    }
    float *out = device_array<float>(n);
    reverse<<<(n + 127) / 128, 128>>>(to_device(in), out, n);
    launched();
    expect_same("static", to_host(out, n), want);

    int *ints = device_array<int>(32);
    several<<<1, 32>>>(ints);
    launched();
    std::vector<int> iw(32);
    for (int t = 0; t < 32; t++) {
        int r = 31 - t, byte = r + 5 < 32 ? r + 5 : 100;
        iw[t] = byte + r * 1000 - r + (r << 20);
    }
    expect_same("several arrays", to_host(ints, 32), iw);

    const int count = 3000, blocks = 5;
    std::vector<int> data(count);
    for (int i = 0; i < count; i++) data[i] = i * i % 1009;
    for (int longs : {1, 7, 500}) {
        long long *sums = device_array<long long>(blocks * longs);
        parts<<<blocks, 96, longs * sizeof(long long) + count * sizeof(int)>>>(to_device(data), sums, count, longs);
        launched();
        std::vector<long long> sw(blocks * longs, 0);
        for (int b = 0; b < blocks; b++)
            for (int i = 0; i < count; i++) sw[b * longs + longs - 1 - i % longs] += data[i] + b;
        expect_same("dynamic", to_host(sums, blocks * longs), sw);
    }
    return 0;
}
