// SPDX-License-Identifier: Apache-2.0
//
// Half and bfloat16: conversions with correct rounding, arithmetic, pairs.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "check.h"

__global__ void convert(const float *in, unsigned short *half_bits, float *half_back,
                        unsigned short *bf_bits, float *bf_back, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    __half h = __float2half_rn(in[i]);
    half_bits[i] = __half_as_ushort(h);
    half_back[i] = __half2float(h);
    __nv_bfloat16 b = __float2bfloat16(in[i]);
    bf_bits[i] = *reinterpret_cast<unsigned short *>(&b);
    bf_back[i] = __bfloat162float(b);
}

__global__ void arithmetic(const float *a, const float *b, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    __half x = __float2half_rn(a[i]), y = __float2half_rn(b[i]);
    float *r = out + i * 8;
    r[0] = __half2float(__hadd(x, y));
    r[1] = __half2float(__hmul(x, y));
    r[2] = __half2float(__hsub(x, y));
    r[3] = __half2float(__hfma(x, y, x));
    r[4] = __hlt(x, y) ? 1 : 0;
    r[5] = __half2float(__hneg(x));
    __half2 pair = __hadd2(__halves2half2(x, y), __half2half2(y));
    r[6] = __low2float(pair);
    r[7] = __high2float(pair);
}

__global__ void integers(float *out) {
    int i = threadIdx.x;
    out[i] = __half2float(__int2half_rn(i * 1000 - 9000));
    out[32 + i] = (float)__half2int_rz(__float2half_rn(i * 0.7f - 5));
}

// round_to gives the nearest number with that many bits of significand (ties to
// even), a smallest exponent and a largest value.
float round_to(double v, int bits, int smallest, double largest) {
    if (v == 0 || std::isnan(v) || std::isinf(v)) return (float)v;
    int exponent;
    frexp(v, &exponent);
    int step = exponent - bits;
    if (step < smallest) step = smallest;
    double r = ldexp(rint(ldexp(v, -step)), step);
    return fabs(r) > largest ? copysignf(INFINITY, (float)v) : (float)r;
}
float to_half(double v) { return round_to(v, 11, -24, 65504); }
float to_bfloat(double v) { return round_to(v, 8, -133, 3.3895313892515355e38); }

int main() {
    const int n = 4096;
    std::vector<float> a(n), b(n);
    Random random(4);
    for (int i = 0; i < n; i++) {
        a[i] = (random.real() - 0.5f) * ldexpf(1, (int)random.below(34) - 18);
        b[i] = (random.real() - 0.5f) * 64;
    }
    a[0] = 0; a[1] = 65504; a[2] = 65520; a[3] = 1e30f; a[4] = INFINITY; a[5] = 6e-8f; a[6] = 1e-9f;
    a[7] = 2049; a[8] = 2051; a[9] = -65519.996f; a[10] = 3.4e38f; a[11] = 1e-40f;
    float *da = to_device(a), *db = to_device(b);
    unsigned short *hb = device_array<unsigned short>(n), *bb = device_array<unsigned short>(n);
    float *hf = device_array<float>(n), *bf = device_array<float>(n), *ar = device_array<float>(n * 8);
    convert<<<n / 128, 128>>>(da, hb, hf, bb, bf, n);
    arithmetic<<<n / 128, 128>>>(da, db, ar, n);
    launched();

    std::vector<float> half_want(n), bf_want(n), want(n * 8);
    for (int i = 0; i < n; i++) {
        half_want[i] = to_half(a[i]);
        bf_want[i] = to_bfloat(a[i]);
        double x = half_want[i], y = to_half(b[i]);
        float *w = &want[i * 8];
        w[0] = to_half(x + y);
        w[1] = to_half(x * y);
        w[2] = to_half(x - y);
        w[3] = to_half(x * y + x); // exact in double, so rounded once
        w[4] = x < y;
        w[5] = (float)-x;
        w[6] = to_half(x + y);
        w[7] = to_half(y + y);
    }
    expect_same("half", to_host(hf, n), half_want);
    expect_same("bfloat16", to_host(bf, n), bf_want);
    expect_same("half arithmetic", to_host(ar, n * 8), want);
    std::vector<unsigned short> bits = to_host(hb, 9), bits16 = to_host(bb, 5);
    const unsigned short hwant[] = {0, 0x7bff, 0x7c00, 0x7c00, 0x7c00, 1, 0, 0x6800, 0x6802};
    for (int i = 0; i < 9; i++) EXPECT(bits[i] == hwant[i], "half bits %d: %#x, want %#x", i, bits[i], hwant[i]);
    EXPECT(bits16[1] == 0x4780, "bfloat16 bits of 65504: %#x, want 0x4780", bits16[1]);

    float *di = device_array<float>(64);
    integers<<<1, 32>>>(di);
    launched();
    std::vector<float> iw(64);
    for (int i = 0; i < 32; i++) {
        iw[i] = to_half(i * 1000 - 9000);
        iw[32 + i] = (float)(int)to_half((float)(i * 0.7f) - 5);
    }
    expect_close("half and integers", to_host(di, 64), iw, 0);
    return 0;
}
