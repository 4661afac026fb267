// SPDX-License-Identifier: Apache-2.0
//
// Thrust: sort, reduce, scan, transform, unique, by key.
#include <thrust/device_vector.h>
#include <thrust/reduce.h>
#include <thrust/scan.h>
#include <thrust/sort.h>
#include <thrust/unique.h>

#include <algorithm>
#include <numeric>

#include "check.h"

struct Square { __host__ __device__ int operator()(int v) const { return v * v; } };

template <class V> std::vector<int> host(const V &v) {
    std::vector<int> h(v.size());
    thrust::copy(v.begin(), v.end(), h.begin());
    return h;
}

int main() {
    const int n = 3000;
    std::vector<int> in(n), want(n);
    Random random(35);
    for (int &v : in) v = (int)random.below(1000) - 500;
    thrust::device_vector<int> v(in.begin(), in.end()), w(n);
    int sum = thrust::reduce(v.begin(), v.end(), 0);
    EXPECT(sum == std::accumulate(in.begin(), in.end(), 0), "the sum is %d", sum);
    thrust::transform(v.begin(), v.end(), w.begin(), Square());
    std::transform(in.begin(), in.end(), want.begin(), Square());
    expect_same("transform", host(w), want);
    thrust::inclusive_scan(v.begin(), v.end(), w.begin());
    std::partial_sum(in.begin(), in.end(), want.begin());
    expect_same("scan", host(w), want);
    thrust::sort(v.begin(), v.end());
    std::sort(in.begin(), in.end());
    expect_same("sort", host(v), in);
    auto end = thrust::unique(v.begin(), v.end());
    v.resize(end - v.begin());
    in.erase(std::unique(in.begin(), in.end()), in.end());
    expect_same("unique", host(v), in);
    return 0;
}
