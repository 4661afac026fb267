// SPDX-License-Identifier: Apache-2.0
//
// Integer atomics of every kind on global and shared memory, across blocks: the
// end value is right and the values returned are each handed out once.
#include "check.h"

template <class T> struct Cells {
    T add, exchange, min, max, both, any, odd, cas;
};
struct Unsigned { unsigned sub, inc, dec; };

template <class T> __device__ void apply(Cells<T> *c, T i) {
    atomicAdd(&c->add, i);
    atomicExch(&c->exchange, i);
    atomicMin(&c->min, (T)(i * 7 % 1000 + 3));
    atomicMax(&c->max, (T)(i * 13 % 1000));
    atomicAnd(&c->both, ~((T)1 << (i % 31)));
    atomicOr(&c->any, (T)1 << (i % 29));
    atomicXor(&c->odd, i);
    // A product by compare and swap: of powers of 3, so that the order is open.
    T old = c->cas, seen;
    do {
        seen = old;
        old = atomicCAS(&c->cas, seen, seen * 3);
    } while (old != seen);
}

template <class T> __global__ void global(Cells<T> *cells) {
    apply(cells, (T)(blockIdx.x * blockDim.x + threadIdx.x));
}

template <class T> __global__ void shared(Cells<T> *out, Cells<T> start) {
    __shared__ Cells<T> cells;
    if (threadIdx.x == 0) cells = start;
    __syncthreads();
    for (int k = 0; k < 8; k++) apply(&cells, (T)(k * blockDim.x + threadIdx.x));
    __syncthreads();
    if (threadIdx.x == 0) out[blockIdx.x] = cells;
}

__global__ void wrap(Unsigned *u) {
    atomicSub(&u->sub, threadIdx.x);
    atomicInc(&u->inc, 99);
    atomicDec(&u->dec, 50);
}

__global__ void tickets(int *counter, int *seen) {
    int ticket = atomicAdd(counter, 1);
    atomicAdd(&seen[ticket], 1);
}

template <class T> void check_cells(const char *name) {
    const int n = 1024;
    Cells<T> start = {5, 0, (T)100000, 0, (T)-1, 0, 0, 1}, want = start;
    for (int i = 0; i < n; i++) {
        want.add += i;
        want.min = std::min<T>(want.min, i * 7 % 1000 + 3);
        want.max = std::max<T>(want.max, i * 13 % 1000);
        want.both &= ~((T)1 << (i % 31));
        want.any |= (T)1 << (i % 29);
        want.odd ^= i;
        want.cas = (T)((unsigned long long)want.cas * 3);
    }
    std::vector<Cells<T>> all;
    Cells<T> *cells = to_device(std::vector<Cells<T>>{start});
    global<<<8, n / 8>>>(cells);
    launched();
    all = to_host(cells, 1);
    Cells<T> *out = device_array<Cells<T>>(3);
    shared<<<3, n / 8>>>(out, start);
    launched();
    for (auto &c : to_host(out, 3)) all.push_back(c);
    for (size_t k = 0; k < all.size(); k++) {
        Cells<T> got = all[k];
        EXPECT(got.exchange >= 0 && got.exchange < n, "%s %zu: exchanged %lld", name, k, (long long)got.exchange);
        const T g[] = {got.add, got.min, got.max, got.both, got.any, got.odd, got.cas};
        const T w[] = {want.add, want.min, want.max, want.both, want.any, want.odd, want.cas};
        const char *what[] = {"add", "min", "max", "and", "or", "xor", "cas"};
        for (int i = 0; i < 7; i++)
            EXPECT(g[i] == w[i], "%s %zu: %s is %lld, want %lld", name, k, what[i], (long long)g[i], (long long)w[i]);
    }
}

int main() {
    check_cells<int>("int");
    check_cells<unsigned>("unsigned");
    check_cells<unsigned long long>("unsigned long long");

    Unsigned *u = to_device(std::vector<Unsigned>{{7, 30, 20}});
    wrap<<<10, 64>>>(u);
    launched();
    Unsigned got = to_host(u, 1)[0], want = {7, 30, 20};
    for (int i = 0; i < 640; i++) {
        want.sub -= i % 64;
        want.inc = want.inc >= 99 ? 0 : want.inc + 1;
        want.dec = want.dec == 0 || want.dec > 50 ? 50 : want.dec - 1;
    }
    EXPECT(got.sub == want.sub && got.inc == want.inc && got.dec == want.dec, "sub %u inc %u dec %u, want %u %u %u",
           got.sub, got.inc, got.dec, want.sub, want.inc, want.dec);

    int *counter = to_device(std::vector<int>{0}), *seen = to_device(std::vector<int>(2000, 0));
    tickets<<<20, 100>>>(counter, seen);
    launched();
    expect_same("tickets", to_host(seen, 2000), std::vector<int>(2000, 1));
    return 0;
}
