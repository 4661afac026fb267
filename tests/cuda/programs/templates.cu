// SPDX-License-Identifier: Apache-2.0
//
// C++ on the device: templates, function objects, lambdas, variadic arguments,
// compile-time computation, operators.
// flags: --extended-lambda
#include "check.h"

template <class T, int n> struct Vector {
    T v[n];
    __host__ __device__ T &operator[](int i) { return v[i]; }
    __host__ __device__ Vector operator+(const Vector &o) const {
        Vector r;
        for (int i = 0; i < n; i++) r.v[i] = v[i] + o.v[i];
        return r;
    }
    template <class F> __host__ __device__ auto fold(F f, T start) const -> decltype(f(start, start)) {
        for (int i = 0; i < n; i++) start = f(start, v[i]);
        return start;
    }
};

constexpr __host__ __device__ unsigned fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

template <class T> __host__ __device__ T total(T v) { return v; }
template <class T, class... Rest> __host__ __device__ T total(T v, Rest... rest) { return v + (T)total(rest...); }

struct Plus { template <class T> __host__ __device__ T operator()(T a, T b) const { return a + b; } };
struct Larger { template <class T> __host__ __device__ T operator()(T a, T b) const { return a > b ? a : b; } };

template <class T, class F, int n> __host__ __device__ T compute(int i, F f) {
    Vector<T, n> a, b;
    for (int k = 0; k < n; k++) a[k] = (T)(i + k), b[k] = (T)(i * k % 17);
    return (a + b).fold(f, (T)fibonacci(10)) + total((T)1, 2, 3.5, (char)4);
}

template <class T, class F, int n> __global__ void kernel(T *out, F f) {
    out[threadIdx.x] = compute<T, F, n>(threadIdx.x, f);
}

template <class F> __global__ void apply(int *out, F f) { out[threadIdx.x] = f(threadIdx.x); }

template <class T, class F, int n> void check(const char *name) {
    T *out = device_array<T>(64);
    kernel<T, F, n><<<1, 64>>>(out, F());
    launched();
    std::vector<T> want(64);
    for (int i = 0; i < 64; i++) want[i] = compute<T, F, n>(i, F());
    expect_same(name, to_host(out, 64), want);
}

int main() {
    check<int, Plus, 3>("int plus");
    check<int, Larger, 8>("int larger");
    check<double, Plus, 5>("double plus");
    check<float, Larger, 1>("float larger");
    check<unsigned long long, Plus, 16>("unsigned long long plus");
    int *out = device_array<int>(64), scale = 7;
    double offset = 2.5;
    apply<<<1, 64>>>(out, [=] __device__(int i) { return (int)(i * scale + offset * 2); });
    launched();
    std::vector<int> want(64);
    for (int i = 0; i < 64; i++) want[i] = i * 7 + 5;
    expect_same("lambda", to_host(out, 64), want);
    return 0;
}
