// SPDX-License-Identifier: Apache-2.0
//
// Device functions that call themselves and each other.
#include "check.h"

__host__ __device__ __noinline__ unsigned ackermann(unsigned m, unsigned n) {
    if (m == 0) return n + 1;
    if (n == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

__host__ __device__ __noinline__ int odd(int n);
__host__ __device__ __noinline__ int even(int n) { return n == 0 ? 1 : odd(n - 1); }
__host__ __device__ __noinline__ int odd(int n) { return n == 0 ? 0 : even(n - 1); }

__host__ __device__ void quicksort(int *v, int low, int high) {
    if (low >= high) return;
    int pivot = v[(low + high) / 2], i = low, j = high;
    while (i <= j) {
        while (v[i] < pivot) i++;
        while (v[j] > pivot) j--;
        if (i <= j) {
            int t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
    }
    quicksort(v, low, j);
    quicksort(v, i, high);
}

// hanoi has many parameters, so that some are passed in memory.
__host__ __device__ __noinline__ long long hanoi(int n, int from, int to, int via, long long hash, double weight,
                                                 short step, char mark) {
    if (n == 0) return hash;
    hash = hanoi(n - 1, from, via, to, hash, weight + 1, step, mark);
    hash = hash * 31 + from * 3 + to + (long long)weight + step * mark;
    return hanoi(n - 1, via, to, from, hash, weight + 1, (short)(step + 1), mark);
}

__global__ void compute(long long *out, int *sorted) {
    int t = threadIdx.x;
    out[t * 3] = ackermann(2, t % 5);
    out[t * 3 + 1] = even(t) * 10 + odd(t * 3);
    out[t * 3 + 2] = hanoi(t % 7, 0, 1, 2, t, 0.5, (short)t, 3);
    quicksort(sorted + t * 40, 0, 39);
}

int main() {
    CHECK(cudaDeviceSetLimit(cudaLimitStackSize, 16 << 10));
    size_t stack = 0;
    CHECK(cudaDeviceGetLimit(&stack, cudaLimitStackSize));
    EXPECT(stack >= 16 << 10, "the stack is of %zu bytes", stack);
    const int n = 64;
    std::vector<long long> want(n * 3);
    std::vector<int> v(n * 40);
    for (int i = 0; i < n * 40; i++) v[i] = i * 7919 % 1000;
    long long *out = device_array<long long>(n * 3);
    int *sorted = to_device(v);
    compute<<<1, n>>>(out, sorted);
    launched();
    for (int t = 0; t < n; t++) {
        want[t * 3] = ackermann(2, t % 5);
        want[t * 3 + 1] = even(t) * 10 + odd(t * 3);
        want[t * 3 + 2] = hanoi(t % 7, 0, 1, 2, t, 0.5, (short)t, 3);
        quicksort(&v[t * 40], 0, 39);
    }
    expect_same("functions", to_host(out, n * 3), want);
    expect_same("sorted", to_host(sorted, n * 40), v);
    return 0;
}
