// SPDX-License-Identifier: Apache-2.0
//
// Wrong uses of memory give their errors and harm nothing.
#include "check.h"

__global__ void fill(int *v) { v[threadIdx.x] = threadIdx.x; }

int main() {
    int *v = device_array<int>(32), plain[32];
    void *p = (void *)1;
    EXPECT_ERROR(cudaMalloc(&p, (size_t)1 << 50), cudaErrorMemoryAllocation);
    EXPECT_ERROR(cudaGetLastError(), cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError());
    EXPECT_ERROR(cudaMallocHost(&p, (size_t)1 << 50), cudaErrorMemoryAllocation);
    CHECK(cudaMalloc(&p, 0));

    size_t free_bytes, total;
    CHECK(cudaMemGetInfo(&free_bytes, &total));
    EXPECT_ERROR(cudaMalloc(&p, total + 1), cudaErrorMemoryAllocation);
    int *q;
    CHECK(cudaMalloc(&q, 1 << 20));
    CHECK(cudaFree(q));
    EXPECT_ERROR(cudaFree(q), cudaErrorInvalidValue); // twice
    EXPECT_ERROR(cudaFree(plain), cudaErrorInvalidValue);
    CHECK(cudaMalloc(&q, 1 << 20));
    EXPECT_ERROR(cudaFree((char *)q + 256), cudaErrorInvalidValue); // not its start
    CHECK(cudaFree(q));

    EXPECT_ERROR(cudaMemcpy(v, plain, sizeof plain, (cudaMemcpyKind)77), cudaErrorInvalidMemcpyDirection);
    EXPECT_ERROR(cudaMemcpy(nullptr, plain, sizeof plain, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT_ERROR(cudaMemcpy(plain, nullptr, sizeof plain, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    EXPECT_ERROR(cudaMemcpy(v, nullptr, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT_ERROR(cudaMemcpy(nullptr, v, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    EXPECT_ERROR(cudaMemcpy(nullptr, v, 16, cudaMemcpyDefault), cudaErrorInvalidValue);
    CHECK(cudaMemcpy(nullptr, nullptr, 0, cudaMemcpyDefault));
    // A pointer that was freed is none.
    char *large;
    CHECK(cudaMalloc(&large, 64 << 20));
    CHECK(cudaFree(large));
    EXPECT_ERROR(cudaMemcpy(plain, large, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    EXPECT_ERROR(cudaMemset(large, 0, 16), cudaErrorInvalidValue);
    cudaGetLastError();

    fill<<<1, 32>>>(v);
    launched();
    std::vector<int> want(32);
    for (int i = 0; i < 32; i++) want[i] = i;
    expect_same("still in order", to_host(v, 32), want);
    return 0;
}
