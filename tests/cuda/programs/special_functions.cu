// SPDX-License-Identifier: Apache-2.0
//
// Special functions stay within the error bounds, in units in the last place,
// that the CUDA programming guide gives for them.
#include "check.h"

// Each entry: its name, the bound for float and for double, the range of the
// argument, the function of x (and y), and the same in long double.
#define FUNCTIONS(X)                                                                              \
    X(sin, 2, 2, -100, 100, sin(x), sinl(x))                                                      \
    X(cos, 2, 2, -100, 100, cos(x), cosl(x))                                                      \
    X(tan, 4, 2, -1.5, 1.5, tan(x), tanl(x))                                                      \
    X(sin_large, 2, 2, 1e5, 1e6, sin(x), sinl(x))                                                 \
    X(asin, 4, 2, -1, 1, asin(x), asinl(x))                                                       \
    X(acos, 3, 2, -1, 1, acos(x), acosl(x))                                                       \
    X(atan, 2, 2, -50, 50, atan(x), atanl(x))                                                     \
    X(atan2, 3, 2, -50, 50, atan2(x, y), atan2l(x, y))                                            \
    X(sinh, 3, 2, -20, 20, sinh(x), sinhl(x))                                                     \
    X(cosh, 2, 2, -20, 20, cosh(x), coshl(x))                                                     \
    X(tanh, 2, 2, -5, 5, tanh(x), tanhl(x))                                                       \
    X(asinh, 3, 3, -100, 100, asinh(x), asinhl(x))                                                \
    X(acosh, 4, 3, 1, 100, acosh(x), acoshl(x))                                                   \
    X(atanh, 3, 2, -0.99, 0.99, atanh(x), atanhl(x))                                              \
    X(exp, 2, 1, -80, 80, exp(x), expl(x))                                                        \
    X(exp2, 2, 1, -120, 120, exp2(x), exp2l(x))                                                   \
    X(exp10, 2, 1, -35, 35, exp10(x), exp10l(x))                                                  \
    X(expm1, 1, 1, -5, 5, expm1(x), expm1l(x))                                                    \
    X(log, 1, 1, 1e-30, 1e4, log(x), logl(x))                                                     \
    X(log2, 1, 1, 1e-30, 1e4, log2(x), log2l(x))                                                  \
    X(log10, 3, 2, 1e-30, 1e4, log10(x), log10l(x))                                               \
    X(log1p, 1, 1, -0.9, 10, log1p(x), log1pl(x))                                                 \
    X(pow, 9, 2, 0.01, 10, pow(x, y), powl(x, y))                                                 \
    X(cbrt, 1, 1, -1000, 1000, cbrt(x), cbrtl(x))                                                 \
    X(rsqrt, 2, 1, 1e-20, 1e6, rsqrt(x), 1 / sqrtl(x))                                            \
    X(hypot, 3, 2, -1000, 1000, hypot(x, y), hypotl(x, y))                                        \
    X(erf, 2, 2, -4, 4, erf(x), erfl(x))                                                          \
    X(erfc, 4, 5, -4, 9, erfc(x), erfcl(x))                                                       \
    X(tgamma, 11, 10, 0.5, 20, tgamma(x), tgammal(x))                                              \
    X(lgamma, 6, 4, 3, 100, lgamma(x), lgammal(x))                                                \
    X(sinpi, 2, 2, -0.5, 0.5, sinpi(x), sinl((long double)x * 3.14159265358979323846264338328L))  \
    X(cospi, 2, 2, -0.4, 0.4, cospi(x), cosl((long double)x * 3.14159265358979323846264338328L))

enum {
#define X(name, ...) F_##name,
    FUNCTIONS(X)
#undef X
    COUNT
};

template <class T> __global__ void compute(const T *xs, const T *ys, T *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    T x, y = ys[i];
#define X(name, fb, db, low, high, device, host) \
    x = xs[F_##name * n + i];                    \
    out[F_##name * n + i] = device;
    FUNCTIONS(X)
#undef X
}

long double reference(int f, long double x, long double y) {
    switch (f) {
#define X(name, fb, db, low, high, device, host) \
    case F_##name:                               \
        return host;
        FUNCTIONS(X)
#undef X
    }
    return 0;
}

// ulp is the size of a unit in the last place of T at v.
template <class T> long double ulp(long double v) {
    int exponent, digits = std::numeric_limits<T>::digits;
    frexpl(v, &exponent);
    int least = std::numeric_limits<T>::min_exponent;
    return ldexpl(1, (exponent < least ? least : exponent) - digits);
}

template <class T> void check(const char *type) {
    const int n = 512;
    const struct {
        const char *name;
        double float_bound, double_bound, low, high;
    } functions[] = {
#define X(name, fb, db, low, high, ...) {#name, fb, db, low, high},
        FUNCTIONS(X)
#undef X
    };
    Random random(6);
    std::vector<T> x(COUNT * n), y(n);
    for (int i = 0; i < n; i++) y[i] = (T)((random.real() - 0.5) * 8);
    for (int f = 0; f < COUNT; f++)
        for (int i = 0; i < n; i++)
            x[f * n + i] = (T)(functions[f].low + (functions[f].high - functions[f].low) * random.real());
    T *dx = to_device(x), *dy = to_device(y), *out = device_array<T>(COUNT * n);
    compute<<<n / 64, 64>>>(dx, dy, out, n);
    launched();
    std::vector<T> got = to_host(out, COUNT * n);
    for (int f = 0; f < COUNT; f++) {
        double bound = sizeof(T) == 4 ? functions[f].float_bound : functions[f].double_bound;
        for (int i = 0; i < n; i++) {
            long double want = reference(f, x[f * n + i], y[i]);
            long double error = fabsl(got[f * n + i] - want) / ulp<T>(want);
            // Half a unit more: the bounds are against the rounded result.
            EXPECT(error <= bound + 0.5, "%s %s(%.17g, %.17g) is %.17g, want %.17Lg: %.2Lf ulp, at most %g",
                   type, functions[f].name, (double)x[f * n + i], (double)y[i],
                   (double)got[f * n + i], want, error, bound);
        }
    }
}

int main() {
    check<float>("float");
    check<double>("double");
    return 0;
}
