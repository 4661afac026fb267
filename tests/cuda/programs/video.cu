// SPDX-License-Identifier: Apache-2.0
//
// PTX's scalar video instructions, as cuSPARSE has them: a result that may be saturated, then joined with a third operand.
// Sums without a sign are not among them: what ptxas 12.4 makes of vadd.u32.sat for sm_90 does not saturate.
#include <algorithm>
#include <climits>

#include "check.h"

#define SAME(name, ptx, cpu)                                                      \
    struct name {                                                                 \
        static __device__ unsigned gpu(unsigned x, unsigned y, unsigned z) {      \
            unsigned d;                                                           \
            asm(ptx " %0, %1, %2, %3;" : "=r"(d) : "r"(x), "r"(y), "r"(z));       \
            return d;                                                             \
        }                                                                         \
        static unsigned host(unsigned x, unsigned y, unsigned z) {                \
            long long a = (long long)(A)x, b = (long long)(B)y, c = (long long)(C)z; \
            return (unsigned)(cpu);                                               \
        }                                                                         \
    };

typedef unsigned u;
typedef int s;
static long long sat(long long v, long long lo, long long hi) { return std::min(std::max(v, lo), hi); }

#define A u
#define B u
#define C u
SAME(shift_right, "vshr.u32.u32.u32.clamp.add", (b > 31 ? 0 : a >> b) + c)
SAME(shift_right_wrapped, "vshr.u32.u32.u32.wrap.max", std::max(a >> (b & 31), c))
SAME(shift_left, "vshl.u32.u32.u32.clamp.min", std::min<unsigned long long>((unsigned long long)a << std::min<long long>(b, 32), c))
SAME(difference, "vabsdiff.u32.u32.u32.add", (a > b ? a - b : b - a) + c)
#undef A
#undef C
#define A s
#define C s
SAME(shift_signed, "vshr.s32.s32.u32.clamp.min", std::min(a >> std::min<long long>(b, 32), c))
#undef B
#define B s
SAME(add, "vadd.s32.s32.s32.sat.add", sat(a + b, INT_MIN, INT_MAX) + c)
SAME(subtract, "vsub.s32.s32.s32.sat.max", std::max(sat(a - b, INT_MIN, INT_MAX), c))
SAME(least, "vmin.s32.s32.s32.add", std::min(a, b) + c)

template <class F> __global__ void run(const unsigned *v, int n, unsigned *out) {
    for (int i = threadIdx.x; i < n * n * n; i += blockDim.x) out[i] = F::gpu(v[i / n / n], v[i / n % n], v[i % n]);
}

template <class F> static void same(const char *name) {
    std::vector<unsigned> v = {0, 1, 5, 31, 32, 33, 1000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffff0, 0xffffffff}, want;
    int n = (int)v.size();
    for (unsigned a : v)
        for (unsigned b : v)
            for (unsigned c : v) want.push_back(F::host(a, b, c));
    unsigned *in = to_device(v), *out = device_array<unsigned>(want.size());
    run<F><<<1, 128>>>(in, n, out);
    CHECK(cudaGetLastError());
    expect_same(name, to_host(out, want.size()), want);
    CHECK(cudaFree(in));
    CHECK(cudaFree(out));
}

int main() {
    same<shift_right>("vshr");
    same<shift_right_wrapped>("vshr.wrap");
    same<shift_left>("vshl");
    same<add>("vadd.sat");
    same<difference>("vabsdiff");
    same<shift_signed>("vshr.s32");
    same<subtract>("vsub.sat");
    same<least>("vmin");
    return 0;
}
