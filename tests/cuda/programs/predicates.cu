// SPDX-License-Identifier: Apache-2.0
//
// Comparisons with NaN in all their forms, conditions joined by logic, selection.
#include "check.h"

template <class T> __host__ __device__ unsigned compare(T a, T b) {
    unsigned r = 0;
    r |= (a == b) << 0;
    r |= (a != b) << 1;
    r |= (a < b) << 2;
    r |= (a <= b) << 3;
    r |= (a > b) << 4;
    r |= (a >= b) << 5;
    r |= !(a < b) << 6; // unordered or greater or equal
    r |= !(a >= b) << 7;
    r |= ((a < b) || (a > b)) << 8;
    r |= (a == a && b == b) << 9;
    bool p = a < b, q = b < (T)1;
    r |= (p && q) << 10;
    r |= (p || q) << 11;
    r |= (p ^ q) << 12;
    r |= (p ? q : !q) << 13;
    r |= ((p && !q) || (a == (T)0)) << 14;
    return r;
}

template <class T> __global__ void compute(const T *a, const T *b, unsigned *out, T *chosen, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    out[i] = compare(a[i], b[i]);
    T c = a[i];
    if (i % 3 == 0 && a[i] < b[i]) c = b[i];
    else if (i % 5 == 0 || a[i] == b[i]) c = (T)(i & 63);
    chosen[i] = c;
}

template <class T> void check(const char *what, const std::vector<T> &edges) {
    int k = (int)edges.size(), n = k * k;
    std::vector<T> a(n), b(n), chosen(n);
    std::vector<unsigned> want(n);
    for (int i = 0; i < n; i++) {
        a[i] = edges[i / k];
        b[i] = edges[i % k];
        want[i] = compare(a[i], b[i]);
        chosen[i] = a[i];
        if (i % 3 == 0 && a[i] < b[i]) chosen[i] = b[i];
        else if (i % 5 == 0 || a[i] == b[i]) chosen[i] = (T)(i & 63);
    }
    T *da = to_device(a), *db = to_device(b), *dc = device_array<T>(n);
    unsigned *out = device_array<unsigned>(n);
    compute<<<(n + 63) / 64, 64>>>(da, db, out, dc, n);
    launched();
    expect_same(what, to_host(out, n), want);
    expect_same(what, to_host(dc, n), chosen);
}

int main() {
    check<float>("float", {0, -0.0f, 1, -1, 0.5f, INFINITY, -INFINITY, NAN, 1e-45f, 3e38f});
    check<double>("double", {0, -0.0, 1, -1, 0.5, INFINITY, -INFINITY, NAN, 5e-324, 1e308});
    check<int>("int", {0, 1, -1, 7, INT32_MIN, INT32_MAX});
    check<unsigned>("unsigned", {0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff});
    check<long long>("long long", {0, 1, -1, 1ll << 40, INT64_MIN, INT64_MAX});
    check<unsigned long long>("unsigned long long", {0, 1, 1ull << 40, ~0ull});
    check<int>("small", {-128, 127, 255, 256});
    return 0;
}
