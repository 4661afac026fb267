// SPDX-License-Identifier: Apache-2.0
//
// Integer arithmetic of every width, and the integer intrinsics.
#include "check.h"

struct Results {
    int add, sub, mul, quot, rem, shl, sar, mulhi, mul24, hadd, rhadd, smin, smax, abs, sad;
    unsigned uquot, urem, shr, umulhi, umul24, umin, umax, usad, brev, prmt, lop, funnel_l, funnel_r;
    int clz, popc, ffs, clzll, popcll, ffsll;
    long long ladd, lmul, lquot, lrem, lsar, lmulhi, lmin;
    unsigned long long ulquot, ulrem, ulshr, ulmulhi, lbrev, wide;
    short s16;
    unsigned short u16;
    signed char s8;
    unsigned char u8;
};

// compute is the same arithmetic for both sides where C++ defines it, in unsigned
// where a signed overflow would not be defined.
__host__ __device__ void common(Results &r, int a, int b, long long c, long long d) {
    unsigned ua = a, ub = b;
    unsigned long long uc = c, ud = d;
    int s = ub % 32;
    r.add = (int)(ua + ub);
    r.sub = (int)(ua - ub);
    r.mul = (int)(ua * ub);
    bool overflows = a == INT32_MIN && b == -1;
    r.quot = b && !overflows ? a / b : 0;
    r.rem = b && !overflows ? a % b : 0;
    r.shl = (int)(ua << s);
    r.sar = a >> s;
    r.shr = ua >> s;
    r.smin = a < b ? a : b;
    r.smax = a > b ? a : b;
    r.umin = ua < ub ? ua : ub;
    r.umax = ua > ub ? ua : ub;
    r.uquot = ub ? ua / ub : 0;
    r.urem = ub ? ua % ub : 0;
    r.lop = (ua & ub) ^ (~ua | (ub >> 3));
    r.ladd = (long long)(uc + ud);
    r.lmul = (long long)(uc * ud);
    bool loverflows = c == INT64_MIN && d == -1;
    r.lquot = d && !loverflows ? c / d : 0;
    r.lrem = d && !loverflows ? c % d : 0;
    r.ulquot = ud ? uc / ud : 0;
    r.ulrem = ud ? uc % ud : 0;
    r.lsar = c >> (ud % 64);
    r.ulshr = uc >> (ud % 64);
    r.lmin = c < d ? c : d;
    r.wide = (unsigned long long)ua * ub;
    r.s16 = (short)((short)a * 3 + (short)b);
    r.u16 = (unsigned short)((unsigned short)a / ((unsigned short)b | 1));
    r.s8 = (signed char)((signed char)a >> 2);
    r.u8 = (unsigned char)((unsigned char)a * (unsigned char)b);
}

__global__ void compute(const int *a, const int *b, const long long *c, const long long *d,
                        Results *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Results r = {};
    common(r, a[i], b[i], c[i], d[i]);
    r.mulhi = __mulhi(a[i], b[i]);
    r.umulhi = __umulhi(a[i], b[i]);
    r.lmulhi = __mul64hi(c[i], d[i]);
    r.ulmulhi = __umul64hi(c[i], d[i]);
    r.mul24 = __mul24(a[i], b[i]);
    r.umul24 = __umul24(a[i], b[i]);
    r.hadd = __hadd(a[i], b[i]);
    r.rhadd = __rhadd(a[i], b[i]);
    r.abs = abs(a[i]);
    r.sad = __sad(a[i], b[i], 7);
    r.usad = __usad(a[i], b[i], 7);
    r.brev = __brev(a[i]);
    r.lbrev = __brevll(c[i]);
    r.prmt = __byte_perm(a[i], b[i], 0x3715);
    r.funnel_l = __funnelshift_l(a[i], b[i], a[i] & 63);
    r.funnel_r = __funnelshift_rc(a[i], b[i], a[i] & 63);
    r.clz = __clz(a[i]);
    r.popc = __popc(a[i]);
    r.ffs = __ffs(a[i]);
    r.clzll = __clzll(c[i]);
    r.popcll = __popcll(c[i]);
    r.ffsll = __ffsll(c[i]);
    out[i] = r;
}

int sign24(int v) { return (int)((unsigned)v << 8) >> 8; }

uint64_t reverse(uint64_t v, int bits) {
    uint64_t r = 0;
    for (int i = 0; i < bits; i++) r |= (v >> i & 1) << (bits - 1 - i);
    return r;
}

void expected(Results &r, int a, int b, long long c, long long d) {
    common(r, a, b, c, d);
    unsigned ua = a, ub = b;
    r.mulhi = (int)((long long)a * b >> 32);
    r.umulhi = (unsigned)((unsigned long long)ua * ub >> 32);
    r.lmulhi = (long long)((__int128)c * d >> 64);
    r.ulmulhi = (unsigned long long)((unsigned __int128)(uint64_t)c * (uint64_t)d >> 64);
    r.mul24 = (int)(uint32_t)((int64_t)sign24(a) * sign24(b));
    r.umul24 = (unsigned)((uint64_t)(ua & 0xffffff) * (ub & 0xffffff));
    r.hadd = (int)(((int64_t)a + b) >> 1);
    r.rhadd = (int)(((int64_t)a + b + 1) >> 1);
    r.abs = a < 0 ? (int)(0u - ua) : a;
    r.sad = (int)(7 + (uint32_t)(a > b ? (int64_t)a - b : (int64_t)b - a));
    r.usad = 7 + (ua > ub ? ua - ub : ub - ua);
    r.brev = (unsigned)reverse(ua, 32);
    r.lbrev = reverse(c, 64);
    // The selector's nibbles, lowest first, pick bytes of {b, a}: 5, 1, 7, 3.
    uint64_t bytes = (uint64_t)ub << 32 | ua;
    r.prmt = 0;
    for (int k = 0; k < 4; k++) r.prmt |= (unsigned)(bytes >> (8 * (0x3715 >> 4 * k & 7)) & 255) << 8 * k;
    int s = ua & 31, clamped = (ua & 63) > 32 ? 32 : ua & 63;
    r.funnel_l = (unsigned)((bytes << s) >> 32);
    r.funnel_r = (unsigned)(bytes >> clamped);
    r.clz = ua ? __builtin_clz(ua) : 32;
    r.popc = __builtin_popcount(ua);
    r.ffs = __builtin_ffs(a);
    r.clzll = c ? __builtin_clzll(c) : 64;
    r.popcll = __builtin_popcountll(c);
    r.ffsll = __builtin_ffsll(c);
}

// A division by zero is no fault on a GPU: its value is not defined, but it ends.
__global__ void divide(int *out, int a, int b) {
    out[threadIdx.x] = a / b + a % b;
    out[threadIdx.x] = 1;
}

int main() {
    const int n = 2000;
    std::vector<int> a(n), b(n);
    std::vector<long long> c(n), d(n);
    Random random(1);
    const long long edges[] = {0, 1, -1, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX, 255, 0x10000, -7};
    for (int i = 0; i < n; i++) {
        a[i] = i < 100 ? (int)edges[i / 10] : (int)random.bits() >> random.below(32);
        b[i] = i < 100 ? (int)edges[i % 10] : (int)random.bits() >> random.below(32);
        c[i] = i < 100 ? edges[i / 10] : (long long)random.next() >> random.below(64);
        d[i] = i < 100 ? edges[i % 10] : (long long)random.next() >> random.below(64);
    }
    int *da = to_device(a), *db = to_device(b);
    long long *dc = to_device(c), *dd = to_device(d);
    Results *out = device_array<Results>(n);
    compute<<<(n + 127) / 128, 128>>>(da, db, dc, dd, out, n);
    launched();
    std::vector<Results> got = to_host(out, n);

#define FIELD(f)                                                                                  \
    EXPECT(got[i].f == want.f, #f " of a=%d b=%d c=%lld d=%lld is %lld, want %lld", a[i], b[i],    \
           c[i], d[i], (long long)got[i].f, (long long)want.f)
    for (int i = 0; i < n; i++) {
        Results want = {};
        expected(want, a[i], b[i], c[i], d[i]);
        FIELD(add); FIELD(sub); FIELD(mul); FIELD(quot); FIELD(rem); FIELD(shl); FIELD(sar);
        FIELD(mulhi); FIELD(mul24); FIELD(hadd); FIELD(rhadd); FIELD(smin); FIELD(smax);
        FIELD(abs); FIELD(sad); FIELD(uquot); FIELD(urem); FIELD(shr); FIELD(umulhi);
        FIELD(umul24); FIELD(umin); FIELD(umax); FIELD(usad); FIELD(brev); FIELD(prmt);
        FIELD(lop); FIELD(funnel_l); FIELD(funnel_r); FIELD(clz); FIELD(popc); FIELD(ffs);
        FIELD(clzll); FIELD(popcll); FIELD(ffsll); FIELD(ladd); FIELD(lmul); FIELD(lquot);
        FIELD(lrem); FIELD(lsar); FIELD(lmulhi); FIELD(lmin); FIELD(ulquot); FIELD(ulrem);
        FIELD(ulshr); FIELD(ulmulhi); FIELD(lbrev); FIELD(wide); FIELD(s16); FIELD(u16);
        FIELD(s8); FIELD(u8);
    }

    int *flags = device_array<int>(32);
    divide<<<1, 32>>>(flags, 5, 0);
    launched();
    expect_same("after a division by zero", to_host(flags, 32), std::vector<int>(32, 1));
    return 0;
}
