// SPDX-License-Identifier: Apache-2.0
//
// Conversions between integers, float and double, in every rounding mode, and
// their saturation at the ends of the range.
// flags: -Xcompiler -frounding-math
#include <cfenv>

#include "check.h"

__global__ void from_float(const float *in, int *i32, unsigned *u32, long long *i64, float *f, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = in[i];
    i32[i * 4] = __float2int_rn(v);
    i32[i * 4 + 1] = __float2int_rz(v);
    i32[i * 4 + 2] = __float2int_ru(v);
    i32[i * 4 + 3] = __float2int_rd(v);
    u32[i] = __float2uint_rz(v);
    i64[i] = __float2ll_rn(v);
    f[i] = __saturatef(v);
}

__global__ void from_double(const double *in, int *i32, float *f32, unsigned long long *u64, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = in[i];
    i32[i] = __double2int_rn(v);
    u64[i] = __double2ull_rz(v);
    f32[i * 4] = __double2float_rn(v);
    f32[i * 4 + 1] = __double2float_rz(v);
    f32[i * 4 + 2] = __double2float_ru(v);
    f32[i * 4 + 3] = __double2float_rd(v);
}

__global__ void from_int(const long long *in, float *f32, double *f64, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    f32[i * 4] = __ll2float_rn(in[i]);
    f32[i * 4 + 1] = __ll2float_rz(in[i]);
    f32[i * 4 + 2] = __ll2float_ru(in[i]);
    f32[i * 4 + 3] = __ll2float_rd(in[i]);
    f64[i * 3] = __ll2double_rn(in[i]);
    f64[i * 3 + 1] = __ull2double_rn(in[i]);
    f64[i * 3 + 2] = __int2double_rn((int)in[i]);
}

__global__ void bits(const float *in, int *out, double *pair, int n) {
    int i = threadIdx.x;
    if (i >= n) return;
    out[i] = __float_as_int(in[i]) ^ 0x80000000;
    pair[i] = __hiloint2double(__double2hiint(in[i]), __double2loint(in[i]));
}

template <class I> I clamp(double v, double low, double high) {
    if (std::isnan(v)) return 0;
    return v <= low ? (I)low : v >= high ? std::numeric_limits<I>::max() : (I)v;
}

int main() {
    const int n = 1024;
    const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
    Random random(5);
    std::vector<float> f(n);
    std::vector<double> d(n);
    std::vector<long long> l(n);
    for (int i = 0; i < n; i++) {
        f[i] = (random.real() - 0.5f) * ldexpf(1, random.below(70));
        d[i] = (random.real() - 0.5) * (1 + random.real() * 1e-8) * ldexp(1, random.below(70));
        l[i] = (long long)random.next() >> random.below(64);
    }
    f[0] = 2.5f; f[1] = -2.5f; f[2] = 0.5f; f[3] = 3e9f; f[4] = -3e9f; f[5] = INFINITY; f[6] = -INFINITY; f[7] = -0.0f;
    d[0] = 1e300; d[1] = -1e300; d[2] = 1e-320; d[3] = 1.5; d[4] = 2.5;
    l[0] = 0; l[1] = INT64_MAX; l[2] = INT64_MIN; l[3] = 16777217; l[4] = -16777219;

    float *df = to_device(f), *ff = device_array<float>(n * 4);
    double *dd = to_device(d), *fd = device_array<double>(n * 3);
    long long *dl = to_device(l), *i64 = device_array<long long>(n);
    int *i32 = device_array<int>(n * 4);
    unsigned *u32 = device_array<unsigned>(n);
    unsigned long long *u64 = device_array<unsigned long long>(n);

    from_float<<<n / 128, 128>>>(df, i32, u32, i64, ff, n);
    launched();
    std::vector<int> wi(n * 4);
    std::vector<unsigned> wu(n);
    std::vector<long long> wl(n);
    std::vector<float> wf(n);
    for (int i = 0; i < n; i++) {
        for (int m = 0; m < 4; m++) {
            fesetround(modes[m]);
            volatile float v = f[i];
            wi[i * 4 + m] = clamp<int>(rint(v), -2147483648.0, 2147483647.0);
        }
        fesetround(FE_TONEAREST);
        wu[i] = clamp<unsigned>(trunc(f[i]), 0, 4294967295.0);
        wl[i] = clamp<long long>(rint(f[i]), -9223372036854775808.0, 9223372036854775807.0);
        wf[i] = f[i] > 0 ? fminf(f[i], 1) : 0.0f;
    }
    expect_same("float to int", to_host(i32, n * 4), wi);
    expect_same("float to unsigned", to_host(u32, n), wu);
    expect_same("float to long long", to_host(i64, n), wl);
    expect_close("saturated", to_host(ff, n), wf, 0);

    from_double<<<n / 128, 128>>>(dd, i32, ff, u64, n);
    launched();
    wi.resize(n);
    wf.resize(n * 4);
    std::vector<unsigned long long> wul(n);
    for (int i = 0; i < n; i++) {
        for (int m = 0; m < 4; m++) {
            fesetround(modes[m]);
            volatile double v = d[i];
            volatile float r = (float)v;
            wf[i * 4 + m] = r;
        }
        fesetround(FE_TONEAREST);
        wi[i] = clamp<int>(rint(d[i]), -2147483648.0, 2147483647.0);
        wul[i] = clamp<unsigned long long>(trunc(d[i]), 0, 18446744073709551615.0);
    }
    expect_same("double to int", to_host(i32, n), wi);
    expect_same("double to float", to_host(ff, n * 4), wf);
    expect_same("double to unsigned long long", to_host(u64, n), wul);

    from_int<<<n / 128, 128>>>(dl, ff, fd, n);
    launched();
    std::vector<double> wd(n * 3);
    for (int i = 0; i < n; i++) {
        for (int m = 0; m < 4; m++) {
            fesetround(modes[m]);
            volatile long long v = l[i];
            volatile float r = (float)v;
            wf[i * 4 + m] = r;
        }
        fesetround(FE_TONEAREST);
        wd[i * 3] = (double)l[i];
        wd[i * 3 + 1] = (double)(unsigned long long)l[i];
        wd[i * 3 + 2] = (double)(int)l[i];
    }
    expect_same("long long to float", to_host(ff, n * 4), wf);
    expect_same("integers to double", to_host(fd, n * 3), wd);

    bits<<<1, 32>>>(df, i32, fd, 32);
    launched();
    wi.resize(32);
    wd.resize(32);
    for (int i = 0; i < 32; i++) {
        memcpy(&wi[i], &f[i], 4);
        wi[i] ^= 0x80000000;
        wd[i] = f[i];
    }
    expect_same("bits", to_host(i32, 32), wi);
    expect_same("halves of a double", to_host(fd, 32), wd);
    return 0;
}
