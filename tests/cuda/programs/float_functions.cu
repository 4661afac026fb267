// SPDX-License-Identifier: Apache-2.0
//
// Exact functions of float and double: rounding to integers, minimum and maximum
// with NaN, remainders, scaling, classification, neighbours.
#include "check.h"

#define RESULTS 22

template <class T> __host__ __device__ void functions(T a, T b, T *r) {
    int exponent = 0;
    T whole = 0;
    r[0] = floor(a);
    r[1] = ceil(a);
    r[2] = trunc(a);
    r[3] = rint(a);
    r[4] = round(a);
    r[5] = fmin(a, b);
    r[6] = fmax(a, b);
    r[7] = fmod(a, b);
    r[8] = fabs(a);
    r[9] = copysign(a, b);
    r[10] = ldexp(a, 5);
    r[11] = frexp(a, &exponent);
    r[12] = isfinite(a) && a != 0 ? exponent : 0; // not defined otherwise
    r[13] = modf(a, &whole);
    r[14] = whole;
    r[15] = isnan(a) ? 1 : isinf(a) ? 2 : isfinite(a) ? 3 : 4;
    r[16] = signbit(a) ? 1 : 0;
    r[17] = remainder(a, b);
    r[18] = nearbyint(a);
    r[19] = fdim(a, b);
    r[20] = nextafter(a, b);
    r[21] = logb(a);
}

template <class T> __global__ void compute(const T *a, const T *b, T *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) functions(a[i], b[i], out + i * RESULTS);
}

template <class T> void check(const char *type) {
    const T inf = INFINITY;
    const T edges[] = {0, -(T)0, (T)0.5, (T)-0.5, (T)1.5, (T)2.5, -inf, inf, NAN, (T)1e9};
    const int n = 1000;
    std::vector<T> a(n), b(n);
    Random random(3);
    for (int i = 0; i < n; i++) {
        a[i] = i < 100 ? edges[i / 10] : (T)((random.real() - 0.5) * 1000);
        b[i] = i < 100 ? edges[i % 10] : (T)((random.real() - 0.5) * 10);
    }
    T *da = to_device(a), *db = to_device(b), *out = device_array<T>(n * RESULTS);
    compute<<<(n + 63) / 64, 64>>>(da, db, out, n);
    launched();
    std::vector<T> got = to_host(out, n * RESULTS);
    for (int i = 0; i < n; i++) {
        T want[RESULTS];
        functions(a[i], b[i], want);
        for (int k = 0; k < RESULTS; k++) {
            T g = got[i * RESULTS + k];
            // IEEE 754 leaves the sign of a zero that min and max choose open.
            bool equal = same(g, want[k]) || ((k == 5 || k == 6) && g == want[k]);
            EXPECT(equal, "%s: function %d of %a, %a is %a, want %a", type, k, (double)a[i],
                   (double)b[i], (double)g, (double)want[k]);
        }
    }
}

int main() {
    check<float>("float");
    check<double>("double");
    return 0;
}
