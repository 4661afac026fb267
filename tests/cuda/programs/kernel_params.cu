// SPDX-License-Identifier: Apache-2.0
//
// Kernel parameters of every size and alignment, structures by value, near the
// limit of 4 KiB.
#include "check.h"

struct Odd { char c; double d; short s; };
struct Packed { unsigned char b[7]; };
struct Nested { Odd odd[2]; const int *pointer; float4 v; };
struct Big { int v[1000]; };

__global__ void many(char a, double b, short c, float d, long long e, bool f, Odd g, Packed h, Nested i,
                     unsigned char j, int *k, double *out) {
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
    out[4] = (double)e;
    out[5] = f;
    out[6] = g.c + g.d + g.s;
    out[7] = h.b[0] + h.b[6] * 100;
    out[8] = i.odd[1].d + i.odd[0].s + i.pointer[2];
    out[9] = i.v.x + i.v.y * 10 + i.v.z * 100 + i.v.w * 1000;
    out[10] = j;
    out[11] = *k;
}

__global__ void big(Big b, int *out, int at) {
    // An index that is not constant, so that the parameter is addressed.
    out[threadIdx.x] = b.v[(at + threadIdx.x * 31) % 1000];
}

// A parameter that a thread writes to is its own copy.
__global__ void own(Big b, int *out) {
    b.v[threadIdx.x] += threadIdx.x;
    int sum = 0;
    for (int i = 0; i < 32; i++) sum += b.v[i];
    out[threadIdx.x] = sum;
}

__global__ void nothing() {}

int main() {
    int *ints = to_device(std::vector<int>{5, 6, 70000});
    double *out = device_array<double>(12);
    Odd odd = {3, 0.25, -9};
    Packed packed = {{1, 2, 3, 4, 5, 6, 77}};
    Nested nested = {{{1, 2.5, 300}, {4, 5.5, 600}}, ints, make_float4(1, 2, 3, 4)};
    nothing<<<1, 1>>>();
    many<<<1, 1>>>(-5, 1e100, -30000, 0.1f, 1ll << 50, true, odd, packed, nested, 200, ints + 1, out);
    launched();
    expect_same("parameters", to_host(out, 12),
                std::vector<double>{-5, 1e100, -30000, 0.1f, (double)(1ll << 50), 1, 3 + 0.25 - 9, 7701,
                                    5.5 + 300 + 70000, 4321, 200, 6});
    Big b;
    for (int i = 0; i < 1000; i++) b.v[i] = i * i;
    int *big_out = device_array<int>(32);
    big<<<1, 32>>>(b, big_out, 123);
    // The launch has taken its copy: what the host does now is too late.
    Big before = b;
    memset(&b, 0, sizeof b);
    launched();
    std::vector<int> want(32);
    for (int t = 0; t < 32; t++) want[t] = before.v[(123 + t * 31) % 1000];
    expect_same("large parameter", to_host(big_out, 32), want);
    own<<<1, 32>>>(before, big_out);
    launched();
    for (int t = 0; t < 32; t++) want[t] = 31 * 32 * 63 / 6 + t;
    expect_same("own copy", to_host(big_out, 32), want);
    return 0;
}
