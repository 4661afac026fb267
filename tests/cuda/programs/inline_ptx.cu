// SPDX-License-Identifier: Apache-2.0
//
// PTX written by hand: carries, wide multiplication, bit fields, permutations,
// predicates, set and select, special registers.
#include "check.h"

struct Wide { unsigned v[4]; };

__device__ Wide add128(Wide a, Wide b) {
    Wide r;
    asm("add.cc.u32 %0, %4, %8;\n\taddc.cc.u32 %1, %5, %9;\n\taddc.cc.u32 %2, %6, %10;\n\taddc.u32 %3, %7, %11;"
        : "=r"(r.v[0]), "=r"(r.v[1]), "=r"(r.v[2]), "=r"(r.v[3])
        : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b.v[0]), "r"(b.v[1]), "r"(b.v[2]), "r"(b.v[3]));
    return r;
}

__device__ Wide sub128(Wide a, Wide b) {
    Wide r;
    asm("sub.cc.u32 %0, %4, %8;\n\tsubc.cc.u32 %1, %5, %9;\n\tsubc.cc.u32 %2, %6, %10;\n\tsubc.u32 %3, %7, %11;"
        : "=r"(r.v[0]), "=r"(r.v[1]), "=r"(r.v[2]), "=r"(r.v[3])
        : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b.v[0]), "r"(b.v[1]), "r"(b.v[2]), "r"(b.v[3]));
    return r;
}

__global__ void compute(const unsigned *in, unsigned *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const unsigned *p = in + i * 8;
    unsigned *o = out + i * 20, a = p[0], b = p[1];
    Wide x = {{p[0], p[1], p[2], p[3]}}, y = {{p[4], p[5], p[6], p[7]}};
    Wide s = add128(x, y), d = sub128(x, y);
    for (int k = 0; k < 4; k++) o[k] = s.v[k], o[4 + k] = d.v[k];
    asm("bfe.u32 %0, %1, 5, 11;" : "=r"(o[8]) : "r"(a));
    asm("bfe.s32 %0, %1, 20, 12;" : "=r"(o[9]) : "r"(a));
    asm("bfi.b32 %0, %1, %2, 7, 9;" : "=r"(o[10]) : "r"(a), "r"(b));
    asm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(o[11]) : "r"(a), "r"(b), "r"(p[2]));
    asm("mad.hi.u32 %0, %1, %2, %3;" : "=r"(o[12]) : "r"(a), "r"(b), "r"(p[2]));
    unsigned long long w;
    asm("mad.wide.u32 %0, %1, %2, %3;" : "=l"(w) : "r"(a), "r"(b), "l"(1ull << 40));
    o[13] = (unsigned)(w >> 32);
    asm("{\n\t.reg .pred p, q;\n\tsetp.lt.and.u32 p|q, %1, %2, 1;\n\tselp.u32 %0, 10, 20, p;\n\t@q add.u32 %0, %0, 5;\n\t}"
        : "=r"(o[14]) : "r"(a), "r"(b));
    asm("set.ge.u32.s32 %0, %1, %2;" : "=r"(o[15]) : "r"(a), "r"(b));
    asm("shf.l.wrap.b32 %0, %1, %2, 9;" : "=r"(o[16]) : "r"(a), "r"(b));
    asm("vabsdiff4.u32.u32.u32 %0, %1, %2, %3;" : "=r"(o[17]) : "r"(a), "r"(b), "r"(0));
    asm("{\n\t.reg .b16 l, h;\n\tmov.b32 {l, h}, %1;\n\tmov.b32 %0, {h, l};\n\t}" : "=r"(o[18]) : "r"(a));
    asm("bfind.u32 %0, %1;" : "=r"(o[19]) : "r"(a));
}

int main() {
    const int n = 300;
    std::vector<unsigned> in(n * 8), want(n * 20);
    Random random(12);
    for (size_t i = 0; i < in.size(); i++) in[i] = i < 64 ? (random.bits() & 1 ? 0xffffffff : 0) : random.bits() >> random.below(32);
    for (int i = 0; i < n; i++) {
        const unsigned *p = &in[i * 8];
        unsigned *o = &want[i * 20], a = p[0], b = p[1];
        unsigned __int128 x = 0, y = 0;
        for (int k = 3; k >= 0; k--) x = x << 32 | p[k], y = y << 32 | p[4 + k];
        for (int k = 0; k < 4; k++) o[k] = (unsigned)((x + y) >> 32 * k), o[4 + k] = (unsigned)((x - y) >> 32 * k);
        o[8] = a >> 5 & 0x7ff;
        o[9] = (unsigned)((int)a >> 20);
        o[10] = (b & ~(0x1ffu << 7)) | (a & 0x1ff) << 7;
        o[11] = a ^ b ^ p[2];
        o[12] = (unsigned)((uint64_t)a * b >> 32) + p[2];
        o[13] = (unsigned)(((uint64_t)a * b + (1ull << 40)) >> 32);
        o[14] = a < b ? 10 : 25;
        o[15] = (int)a >= (int)b ? 0xffffffff : 0;
        o[16] = (unsigned)(((uint64_t)b << 32 | a) << 9 >> 32);
        for (int k = 0; k < 32; k += 8) {
            unsigned u = a >> k & 255, v = b >> k & 255;
            o[17] |= (u > v ? u - v : v - u) << k;
        }
        o[18] = a >> 16 | a << 16;
        o[19] = a ? 31 - __builtin_clz(a) : 0xffffffff;
    }
    unsigned *out = device_array<unsigned>(n * 20);
    compute<<<(n + 63) / 64, 64>>>(to_device(in), out, n);
    launched();
    expect_same("instructions", to_host(out, n * 20), want);
    return 0;
}
