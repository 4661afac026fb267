// SPDX-License-Identifier: Apache-2.0
//
// Products of matrices by mma, whose fragments PTX lays out, loaded by hand or by ldmatrix, as CUTLASS and Triton have them.
// arch: 80
#include <cstdint>
#include <cuda_fp16.h>

#include "check.h"

// Of a fragment's row of eight and its part of a row: lane l has row l/4 and part l%4.
static __device__ int group() { return threadIdx.x / 4; }
static __device__ int part() { return threadIdx.x % 4; }

// a and d are in the order of rows, b in that of columns.
__global__ void f64(const double *a, const double *b, double *d) { // 8 by 8 by 4
    double c0 = 1, c1 = 2;
    asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
        : "+d"(c0), "+d"(c1) : "d"(a[group() * 4 + part()]), "d"(b[group() * 4 + part()]));
    d[group() * 8 + part() * 2] = c0 - 1;
    d[group() * 8 + part() * 2 + 1] = c1 - 2;
}

static __device__ uint32_t word(const half *p) { return *(const uint32_t *)p; }

__global__ void f16(const half *a, const half *b, float *d) { // 16 by 8 by 16
    const half *row = a + group() * 16 + part() * 2, *column = b + group() * 16 + part() * 2;
    float c[4] = {};
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(word(row)), "r"(word(row + 8 * 16)), "r"(word(row + 8)), "r"(word(row + 8 * 16 + 8)), "r"(word(column)), "r"(word(column + 8)));
    for (int i = 0; i < 4; i++) d[(group() + i / 2 * 8) * 8 + part() * 2 + i % 2] = c[i];
}

__global__ void f16_by_ldmatrix(const half *a, const half *b, float *d) { // the same, b loaded from its rows
    __shared__ __align__(16) half sa[16 * 16], sb[16 * 8];
    for (int i = threadIdx.x; i < 256; i += 32) sa[i] = a[i];
    for (int i = threadIdx.x; i < 128; i += 32) sb[i % 16 * 8 + i / 16] = b[i];
    __syncwarp();
    uint32_t x[4], y[2];
    float c[4] = {};
    unsigned at = (unsigned)__cvta_generic_to_shared(sa + threadIdx.x % 16 * 16 + threadIdx.x / 16 * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"(at));
    at = (unsigned)__cvta_generic_to_shared(sb + threadIdx.x % 16 * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(y[0]), "=r"(y[1]) : "r"(at));
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    for (int i = 0; i < 4; i++) d[(group() + i / 2 * 8) * 8 + part() * 2 + i % 2] = c[i];
}

__global__ void tf32(const float *a, const float *b, float *d) { // 16 by 8 by 8
    const uint32_t *row = (const uint32_t *)a + group() * 8 + part(), *column = (const uint32_t *)b + group() * 8 + part();
    float c[4] = {};
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(row[0]), "r"(row[8 * 8]), "r"(row[4]), "r"(row[8 * 8 + 4]), "r"(column[0]), "r"(column[4]));
    for (int i = 0; i < 4; i++) d[(group() + i / 2 * 8) * 8 + part() * 2 + i % 2] = c[i];
}

__global__ void s8(const int8_t *a, const int8_t *b, int *d) { // 16 by 8 by 32
    const int8_t *row = a + group() * 32 + part() * 4, *column = b + group() * 32 + part() * 4;
    int c[4] = {};
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(*(const int *)row), "r"(*(const int *)(row + 8 * 32)), "r"(*(const int *)(row + 16)), "r"(*(const int *)(row + 8 * 32 + 16)),
          "r"(*(const int *)column), "r"(*(const int *)(column + 16)));
    for (int i = 0; i < 4; i++) d[(group() + i / 2 * 8) * 8 + part() * 2 + i % 2] = c[i];
}

// Small integers, so that every type has them and their sums exactly.
template <class T, class D> static void same(const char *name, void (*kernel)(const T *, const T *, D *), int m, int k) {
    const int n = 8;
    std::vector<T> a(m * k), b(k * n);
    std::vector<D> want(m * n);
    for (int i = 0; i < m * k; i++) a[i] = (T)(float)(i * 5 % 13 - 6);
    for (int i = 0; i < k * n; i++) b[i] = (T)(float)(i * 7 % 11 - 5);
    for (int y = 0; y < m; y++)
        for (int x = 0; x < n; x++)
            for (int i = 0; i < k; i++) want[y * n + x] += (D)(float)a[y * k + i] * (D)(float)b[x * k + i];
    T *da = to_device(a), *db = to_device(b);
    D *d = device_array<D>(m * n);
    kernel<<<1, 32>>>(da, db, d);
    CHECK(cudaGetLastError());
    expect_same(name, to_host(d, m * n), want);
    CHECK(cudaFree(da));
    CHECK(cudaFree(db));
    CHECK(cudaFree(d));
}

int main() {
    cudaDeviceProp p;
    CHECK(cudaGetDeviceProperties(&p, 0));
    if (p.major < 8) SKIP("the device has no products of this kind");
    same("f64", f64, 8, 4);
    same("f16", f16, 16, 16);
    same("f16 by ldmatrix", f16_by_ldmatrix, 16, 16);
    same("tf32", tf32, 16, 8);
    same("s8", s8, 16, 32);
    return 0;
}
