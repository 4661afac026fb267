// SPDX-License-Identifier: Apache-2.0
//
// Shuffles in all four forms, widths and types; scans and reductions of a warp.
#include "check.h"

#define ALL 0xffffffff

template <class T> __global__ void shuffle(T *out, int width) {
    int t = threadIdx.x;
    T v = (T)(t * 3 + 1);
    out[t] = __shfl_sync(ALL, v, (t * 5) % 32, width);
    out[32 + t] = __shfl_up_sync(ALL, v, 3, width);
    out[64 + t] = __shfl_down_sync(ALL, v, 2, width);
    out[96 + t] = __shfl_xor_sync(ALL, v, width / 2, width);
    out[128 + t] = __shfl_sync(ALL, v, t + 1, width); // beyond the width wraps
}

template <class T> void check_shuffle(const char *name) {
    T *out = device_array<T>(160);
    for (int width = 2; width <= 32; width *= 2) {
        shuffle<<<1, 32>>>(out, width);
        launched();
        std::vector<T> want(160);
        for (int t = 0; t < 32; t++) {
            int base = t / width * width, in = t % width;
            auto v = [&](int lane) { return (T)(lane * 3 + 1); };
            want[t] = v(base + (t * 5) % 32 % width);
            want[32 + t] = v(in >= 3 ? t - 3 : t);
            want[64 + t] = v(in + 2 < width ? t + 2 : t);
            want[96 + t] = v(t ^ (width / 2));
            want[128 + t] = v(base + (t + 1) % width);
        }
        expect_same(name, to_host(out, 160), want);
    }
}

__global__ void scan(const int *in, int *inclusive, int *sum, float *largest) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
    int v = in[i];
    for (int d = 1; d < 32; d *= 2) {
        int u = __shfl_up_sync(ALL, v, d);
        if (lane >= d) v += u;
    }
    inclusive[i] = v;
    int s = in[i];
    for (int d = 16; d > 0; d /= 2) s += __shfl_xor_sync(ALL, s, d);
    sum[i] = s;
    float m = in[i] * 0.5f;
    for (int d = 16; d > 0; d /= 2) m = fmaxf(m, __shfl_down_sync(ALL, m, d));
    if (lane == 0) largest[i / 32] = m;
}

int main() {
    check_shuffle<int>("int");
    check_shuffle<unsigned>("unsigned");
    check_shuffle<float>("float");
    check_shuffle<long long>("long long");
    check_shuffle<unsigned long long>("unsigned long long");
    check_shuffle<double>("double");

    const int n = 512;
    std::vector<int> in(n), inclusive(n), sum(n);
    std::vector<float> largest(n / 32, -1e30f);
    for (int i = 0; i < n; i++) in[i] = i * i % 101 - 50;
    for (int w = 0; w < n; w += 32) {
        int total = 0;
        for (int i = w; i < w + 32; i++) {
            inclusive[i] = total += in[i];
            largest[w / 32] = std::max(largest[w / 32], in[i] * 0.5f);
        }
        for (int i = w; i < w + 32; i++) sum[i] = total;
    }
    int *di = device_array<int>(n), *ds = device_array<int>(n);
    float *dl = device_array<float>(n / 32);
    scan<<<4, n / 4>>>(to_device(in), di, ds, dl);
    launched();
    expect_same("inclusive scan", to_host(di, n), inclusive);
    expect_same("sum", to_host(ds, n), sum);
    expect_same("largest", to_host(dl, n / 32), largest);
    return 0;
}
