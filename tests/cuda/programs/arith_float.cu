// SPDX-License-Identifier: Apache-2.0
//
// Float and double arithmetic is IEEE 754's to the bit, in all four rounding
// modes, with subnormal numbers, infinities and NaN.
// flags: -Xcompiler -frounding-math
#include <cfenv>

#include "check.h"

#define OPERATIONS 5

__device__ void round_all(float a, float b, float c, float *out) {
    float r[] = {__fadd_rn(a, b), __fadd_rz(a, b), __fadd_ru(a, b), __fadd_rd(a, b),
                 __fmul_rn(a, b), __fmul_rz(a, b), __fmul_ru(a, b), __fmul_rd(a, b),
                 __fdiv_rn(a, b), __fdiv_rz(a, b), __fdiv_ru(a, b), __fdiv_rd(a, b),
                 __fmaf_rn(a, b, c), __fmaf_rz(a, b, c), __fmaf_ru(a, b, c), __fmaf_rd(a, b, c),
                 __fsqrt_rn(a), __fsqrt_rz(a), __fsqrt_ru(a), __fsqrt_rd(a)};
    for (int k = 0; k < 4 * OPERATIONS; k++) out[k] = r[k];
}

__device__ void round_all(double a, double b, double c, double *out) {
    double r[] = {__dadd_rn(a, b), __dadd_rz(a, b), __dadd_ru(a, b), __dadd_rd(a, b),
                  __dmul_rn(a, b), __dmul_rz(a, b), __dmul_ru(a, b), __dmul_rd(a, b),
                  __ddiv_rn(a, b), __ddiv_rz(a, b), __ddiv_ru(a, b), __ddiv_rd(a, b),
                  __fma_rn(a, b, c), __fma_rz(a, b, c), __fma_ru(a, b, c), __fma_rd(a, b, c),
                  __dsqrt_rn(a), __dsqrt_rz(a), __dsqrt_ru(a), __dsqrt_rd(a)};
    for (int k = 0; k < 4 * OPERATIONS; k++) out[k] = r[k];
}

template <class T>
__global__ void compute(const T *a, const T *b, const T *c, T *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) round_all(a[i], b[i], c[i], out + i * 4 * OPERATIONS);
}

// expected computes with the processor's rounding mode set; volatile keeps the
// compiler from moving the operation or doing it itself.
template <class T> T expected(int operation, T a_, T b_, T c_) {
    volatile T a = a_, b = b_, c = c_, r = 0;
    switch (operation) {
    case 0: r = a + b; break;
    case 1: r = a * b; break;
    case 2: r = a / b; break;
    case 3: r = std::fma((T)a, (T)b, (T)c); break;
    case 4: r = std::sqrt((T)a); break;
    }
    return r;
}

template <class T> T value(Random &random, int exponent_bits);
template <> float value(Random &random, int kind) {
    uint32_t bits = random.bits();
    // Half of the numbers have exponents near one another, so that sums are of interest.
    if (kind % 2) bits = (bits & 0x807fffff) | (120 + random.below(16)) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
template <> double value(Random &random, int kind) {
    uint64_t bits = random.next();
    if (kind % 2) bits = (bits & 0x800fffffffffffffull) | (uint64_t)(1015 + random.below(32)) << 52;
    double f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

template <class T> void check(const char *type) {
    const int n = 2000;
    const T inf = INFINITY, tiny = sizeof(T) == 4 ? (T)1e-45 : (T)5e-324;
    const T edges[] = {0, -(T)0, 1, -1, inf, -inf, NAN, tiny, -tiny, (T)3.5};
    std::vector<T> a(n), b(n), c(n);
    Random random(2);
    for (int i = 0; i < n; i++) {
        a[i] = i < 100 ? edges[i / 10] : value<T>(random, i);
        b[i] = i < 100 ? edges[i % 10] : value<T>(random, i);
        c[i] = i < 100 ? edges[(i * 7) % 10] : value<T>(random, i);
    }
    T *da = to_device(a), *db = to_device(b), *dc = to_device(c);
    T *out = device_array<T>(n * 4 * OPERATIONS);
    compute<<<(n + 127) / 128, 128>>>(da, db, dc, out, n);
    launched();
    std::vector<T> got = to_host(out, n * 4 * OPERATIONS);

    const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
    const char *names[] = {"add", "mul", "div", "fma", "sqrt"}, *mode_names[] = {"rn", "rz", "ru", "rd"};
    for (int m = 0; m < 4; m++) {
        fesetround(modes[m]);
        std::vector<T> want(n * OPERATIONS);
        for (int i = 0; i < n; i++)
            for (int op = 0; op < OPERATIONS; op++)
                want[i * OPERATIONS + op] = expected<T>(op, a[i], b[i], c[i]);
        fesetround(FE_TONEAREST);
        for (int i = 0; i < n; i++) {
            for (int op = 0; op < OPERATIONS; op++) {
                T g = got[i * 4 * OPERATIONS + op * 4 + m], w = want[i * OPERATIONS + op];
                EXPECT(same(g, w), "%s %s_%s of %a, %a, %a is %a, want %a", type, names[op],
                       mode_names[m], (double)a[i], (double)b[i], (double)c[i], (double)g, (double)w);
            }
        }
    }
    CHECK(cudaFree(da));
    CHECK(cudaFree(db));
    CHECK(cudaFree(dc));
    CHECK(cudaFree(out));
}

int main() {
    check<float>("float");
    check<double>("double");
    return 0;
}
