// SPDX-License-Identifier: Apache-2.0
//
// What every program here shares: a check that fails ends the program with 1
// and a line that says what differed; what a device lacks ends it with 77.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <vector>

// leave ends the program, by one thread: exit() is not for several at the same time.
[[noreturn]] inline void leave(int status) {
    static std::atomic_flag leaving = ATOMIC_FLAG_INIT;
    static thread_local bool first;
    if (!leaving.test_and_set()) {
        first = true;
        exit(status);
    }
    struct timespec patience = {5, 0}; // the first may wait for this thread
    if (!first) nanosleep(&patience, nullptr);
    std::_Exit(status);
}

// CHECK ends the program unless a call of the runtime succeeds.
#define CHECK(call)                                                                   \
    do {                                                                              \
        cudaError_t error_ = (call);                                                  \
        if (error_ != cudaSuccess) {                                                  \
            fprintf(stderr, "%s:%d: %s: %s (%d)\n", __FILE__, __LINE__, #call,        \
                    cudaGetErrorName(error_), (int)error_);                           \
            leave(1);                                                                 \
        }                                                                             \
    } while (0)

// EXPECT_ERROR ends the program unless a call of the runtime gives this error.
#define EXPECT_ERROR(call, want)                                                      \
    do {                                                                              \
        cudaError_t error_ = (call);                                                  \
        if (error_ != (want)) {                                                       \
            fprintf(stderr, "%s:%d: %s: got %s (%d), want %s\n", __FILE__, __LINE__,  \
                    #call, cudaGetErrorName(error_), (int)error_, #want);             \
            leave(1);                                                                 \
        }                                                                             \
    } while (0)

// CU ends the program unless a call of the driver succeeds.
#define CU(call) EXPECT_CU(call, CUDA_SUCCESS)

// EXPECT_CU ends the program unless a call of the driver gives this result.
#define EXPECT_CU(call, want)                                                         \
    do {                                                                              \
        CUresult result_ = (call);                                                    \
        if (result_ != (want)) {                                                      \
            fprintf(stderr, "%s:%d: %s: got %d, want %s\n", __FILE__, __LINE__,       \
                    #call, (int)result_, #want);                                      \
            leave(1);                                                                 \
        }                                                                             \
    } while (0)

// EXPECT ends the program unless a condition holds; the rest is a printf format
// that gives the values at fault.
#define EXPECT(condition, ...)                                                        \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);           \
            fprintf(stderr, __VA_ARGS__);                                             \
            fputc('\n', stderr);                                                      \
            leave(1);                                                                 \
        }                                                                             \
    } while (0)

// SKIP ends the program as one that this device cannot run.
#define SKIP(...)                                                                     \
    do {                                                                              \
        printf("skipped: ");                                                          \
        printf(__VA_ARGS__);                                                          \
        printf("\n");                                                                 \
        leave(77);                                                                    \
    } while (0)

inline void print_value(FILE *f, long long v) { fprintf(f, "%lld", v); }
inline void print_value(FILE *f, unsigned long long v) { fprintf(f, "%llu (%#llx)", v, v); }
inline void print_value(FILE *f, long v) { fprintf(f, "%ld", v); }
inline void print_value(FILE *f, unsigned long v) { fprintf(f, "%lu (%#lx)", v, v); }
inline void print_value(FILE *f, int v) { fprintf(f, "%d", v); }
inline void print_value(FILE *f, unsigned v) { fprintf(f, "%u (%#x)", v, v); }
inline void print_value(FILE *f, double v) { fprintf(f, "%.17g (%a)", v, v); }

// same compares bits, so that -0 differs from 0; any NaN equals any NaN.
template <class T> bool same(const T &a, const T &b) {
    return memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b);
}

// expect_same ends the program at the first element that differs.
template <class T>
void expect_same(const char *what, const std::vector<T> &got, const std::vector<T> &want) {
    if (got.size() != want.size()) {
        fprintf(stderr, "%s: %zu elements, want %zu\n", what, got.size(), want.size());
        leave(1);
    }
    for (size_t i = 0; i < got.size(); i++) {
        if (!same(got[i], want[i])) {
            fprintf(stderr, "%s[%zu]: got ", what, i);
            print_value(stderr, got[i]);
            fprintf(stderr, ", want ");
            print_value(stderr, want[i]);
            fputc('\n', stderr);
            leave(1);
        }
    }
}

// expect_close is expect_same with a relative tolerance (absolute below 1).
template <class T>
void expect_close(const char *what, const std::vector<T> &got, const std::vector<T> &want,
                  double tolerance) {
    for (size_t i = 0; i < want.size(); i++) {
        double error = fabs((double)got[i] - (double)want[i]);
        if (!(error <= tolerance * fmax(1, fabs((double)want[i])))) {
            fprintf(stderr, "%s[%zu]: got %.17g, want %.17g within %g\n", what, i, (double)got[i],
                    (double)want[i], tolerance);
            leave(1);
        }
    }
}

// Random is xorshift64*: the same numbers everywhere.
struct Random {
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 2685821657736338717ull + 1) {}
    uint64_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 2685821657736338717ull;
    }
    uint32_t bits() { return (uint32_t)(next() >> 32); }
    // below gives an integer in [0, n).
    uint32_t below(uint32_t n) { return (uint32_t)((uint64_t)bits() * n >> 32); }
    // real gives a multiple of 2^-24 in [0, 1).
    float real() { return (float)(bits() >> 8) / 16777216.0f; }
};

#ifdef __CUDACC__
// to_device copies a vector into new device memory, which the caller frees. What it and device_array write is there when
// they return, for streams that do not wait for the default one too: CUDA's own functions may return before.
template <class T> T *to_device(const std::vector<T> &v) {
    T *p;
    CHECK(cudaMalloc(&p, v.size() * sizeof(T)));
    CHECK(cudaMemcpy(p, v.data(), v.size() * sizeof(T), cudaMemcpyHostToDevice));
    CHECK(cudaStreamSynchronize(0));
    return p;
}

// device_array gives n elements of device memory, all bytes 0xAA so that what a
// kernel forgets to write shows.
template <class T> T *device_array(size_t n) {
    T *p;
    CHECK(cudaMalloc(&p, n * sizeof(T)));
    CHECK(cudaMemset(p, 0xAA, n * sizeof(T)));
    CHECK(cudaStreamSynchronize(0));
    return p;
}

// to_host copies n elements back, after all work of the default stream.
template <class T> std::vector<T> to_host(const T *p, size_t n) {
    std::vector<T> v(n);
    CHECK(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
    return v;
}

// launched ends the program unless the launch before it was accepted and ran.
inline void launched() {
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
}
#endif
