// SPDX-License-Identifier: Apache-2.0
//
// Calls through pointers: tables on the device, pointers taken by the host from
// a symbol, targets that differ among the threads of a warp.
#include "check.h"

typedef int (*Operation)(int, int);

__device__ int add(int a, int b) { return a + b; }
__device__ int sub(int a, int b) { return a - b; }
__device__ int mul(int a, int b) { return a * b; }
__device__ int power(int a, int b) {
    int r = 1;
    for (int i = 0; i < b % 5; i++) r *= a;
    return r;
}

__device__ Operation table[4] = {add, sub, mul, power};
__device__ Operation chosen = power;

__global__ void by_table(int *out) {
    int t = threadIdx.x;
    out[t] = table[(t * 7 + t / 3) % 4](t, t / 2);
}

__global__ void by_argument(int *out, Operation op) { out[threadIdx.x] = op(threadIdx.x, 3); }

// A function object with a pointer in it, passed by value.
struct Twice { Operation op; };
__global__ void by_structure(int *out, Twice f) { out[threadIdx.x] = f.op(f.op(threadIdx.x, 1), 2); }

int main() {
    int *out = device_array<int>(96);
    by_table<<<1, 96>>>(out);
    launched();
    std::vector<int> want(96);
    auto host_power = [](int a, int b) { int r = 1; for (int i = 0; i < b % 5; i++) r *= a; return r; };
    for (int t = 0; t < 96; t++) {
        int a = t, b = t / 2, all[] = {a + b, a - b, a * b, host_power(a, b)};
        want[t] = all[(t * 7 + t / 3) % 4];
    }
    expect_same("table", to_host(out, 96), want);

    Operation op;
    CHECK(cudaMemcpyFromSymbol(&op, chosen, sizeof op));
    EXPECT(op != nullptr, "the pointer is null");
    by_argument<<<1, 96>>>(out, op);
    launched();
    for (int t = 0; t < 96; t++) want[t] = t * t * t;
    expect_same("argument", to_host(out, 96), want);

    CHECK(cudaMemcpyFromSymbol(&op, table, sizeof op, 2 * sizeof op));
    by_structure<<<1, 96>>>(out, Twice{op});
    launched();
    for (int t = 0; t < 96; t++) want[t] = t * 2;
    expect_same("structure", to_host(out, 96), want);
    return 0;
}
