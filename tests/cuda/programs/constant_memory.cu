// SPDX-License-Identifier: Apache-2.0
//
// Constant memory: initialised and set from the host, scalars to a full 64 KiB,
// changed between launches in the order of the stream.
#include "check.h"

__constant__ float coefficients[5] = {1, -2, 3.5f, 0.25f, 8};
__constant__ struct { int scale; long long offset; char name[6]; } settings;
__constant__ int table[14000];

__global__ void polynomial(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float r = 0;
    for (int k = 4; k >= 0; k--) r = __fmaf_rn(r, x[i], coefficients[k]);
    y[i] = r;
}

__global__ void apply(const int *in, long long *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = (long long)in[i] * settings.scale + settings.offset + settings.name[i % 6];
}

__global__ void gather(const int *index, int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = table[index[i]];
}

int main() {
    const int n = 1024;
    std::vector<float> x(n), want(n);
    for (int i = 0; i < n; i++) x[i] = (i - 500) * 0.01f;
    float c[5] = {1, -2, 3.5f, 0.25f, 8};
    float *dx = to_device(x), *dy = device_array<float>(n);
    for (int round = 0; round < 3; round++) {
        polynomial<<<n / 128, 128>>>(dx, dy, n);
        CHECK(cudaGetLastError());
        for (int i = 0; i < n; i++) {
            float r = 0;
            for (int k = 4; k >= 0; k--) r = fmaf(r, x[i], c[k]);
            want[i] = r;
        }
        expect_same("polynomial", to_host(dy, n), want);
        c[round] = round * 10 + 0.5f;
        CHECK(cudaMemcpyToSymbol(coefficients, &c[round], sizeof(float), round * sizeof(float)));
    }
    float back[5];
    CHECK(cudaMemcpyFromSymbol(back, coefficients, sizeof back));
    EXPECT(memcmp(back, c, sizeof c) == 0, "the symbol reads back %g %g %g", back[0], back[1], back[2]);

    struct { int scale; long long offset; char name[6]; } s = {7, -1ll << 40, "hello"};
    static_assert(sizeof s == sizeof settings, "same layout");
    CHECK(cudaMemcpyToSymbol(settings, &s, sizeof s));
    std::vector<int> in(n);
    for (int i = 0; i < n; i++) in[i] = i * 3 - 700;
    long long *out = device_array<long long>(n);
    apply<<<n / 128, 128>>>(to_device(in), out, n);
    launched();
    std::vector<long long> lw(n);
    for (int i = 0; i < n; i++) lw[i] = (long long)in[i] * 7 + s.offset + s.name[i % 6];
    expect_same("structure", to_host(out, n), lw);

    std::vector<int> t(14000), index(n), iw(n);
    Random random(9);
    for (int &v : t) v = (int)random.bits();
    for (int i = 0; i < n; i++) iw[i] = t[index[i] = random.below(14000)];
    CHECK(cudaMemcpyToSymbol(table, t.data(), t.size() * sizeof(int)));
    int *got = device_array<int>(n);
    gather<<<n / 128, 128>>>(to_device(index), got, n);
    launched();
    expect_same("table", to_host(got, n), iw);
    return 0;
}
