// SPDX-License-Identifier: Apache-2.0
//
// Attributes of functions, and dynamic shared memory beyond 48 KiB by request.
#include "check.h"

__constant__ int constants[100];

__global__ void __launch_bounds__(128) plain(int *out) {
    __shared__ int tile[1000];
    tile[threadIdx.x] = constants[threadIdx.x % 100];
    __syncthreads();
    out[threadIdx.x] = tile[127 - threadIdx.x];
}

extern __shared__ int large[];

__global__ void use_large(int *out, int n) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) large[i] = i * 3;
    __syncthreads();
    int sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += large[n - 1 - i] ^ i;
    out[threadIdx.x] = sum;
}

__global__ void architecture(int *out) {
#ifdef __CUDA_ARCH__
    *out = __CUDA_ARCH__;
#endif
}

int main() {
    cudaFuncAttributes a;
    CHECK(cudaFuncGetAttributes(&a, plain));
    EXPECT(a.sharedSizeBytes == 4000, "static shared memory is %zu, want 4000", a.sharedSizeBytes);
    EXPECT(a.maxThreadsPerBlock == 128, "blocks of at most %d, want 128", a.maxThreadsPerBlock);
    EXPECT(a.numRegs > 0 && a.numRegs <= 255, "%d registers", a.numRegs);
    EXPECT(a.binaryVersion >= 60, "binary %d", a.binaryVersion);
    int *out = device_array<int>(256), compiled = 0;
    architecture<<<1, 1>>>(out); // libraries choose by it what else a kernel was compiled for: CUB its blocks
    CHECK(cudaMemcpy(&compiled, out, sizeof compiled, cudaMemcpyDeviceToHost));
    EXPECT(a.ptxVersion * 10 == compiled, "PTX is of version %d, of code compiled for %d", a.ptxVersion, compiled);
    plain<<<1, 129>>>(out);
    cudaError_t error = cudaGetLastError(); // which one is not documented
    EXPECT(error == cudaErrorInvalidValue || error == cudaErrorInvalidConfiguration || error == cudaErrorLaunchOutOfResources,
           "more threads than the launch bounds gave %s", cudaGetErrorName(error));

    int limit = 0;
    CHECK(cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    if (limit <= 48 << 10) SKIP("blocks have no more than 48 KiB of shared memory");
    int bytes = 60 << 10, n = bytes / 4;
    if (bytes > limit) bytes = limit, n = bytes / 4;
    use_large<<<1, 256, bytes>>>(out, n);
    EXPECT_ERROR(cudaGetLastError(), cudaErrorInvalidValue); // not asked for yet
    CHECK(cudaFuncSetAttribute(use_large, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    CHECK(cudaFuncGetAttributes(&a, use_large));
    EXPECT(a.maxDynamicSharedSizeBytes >= bytes, "dynamic shared memory is up to %d, want %d", a.maxDynamicSharedSizeBytes, bytes);
    use_large<<<2, 256, bytes>>>(out, n);
    launched();
    std::vector<int> want(256);
    for (int i = 0; i < n; i++) want[i % 256] += ((n - 1 - i) * 3) ^ i;
    expect_same("large", to_host(out, 256), want);
    for (int size : {bytes, bytes, 1 << 10, 1 << 10, bytes}) { // as libraries do before each launch
        CHECK(cudaFuncSetAttribute(use_large, cudaFuncAttributeMaxDynamicSharedMemorySize, size));
        use_large<<<1, 256, bytes>>>(out, n);
        EXPECT_ERROR(cudaGetLastError(), size == bytes ? cudaSuccess : cudaErrorInvalidValue);
    }
    CHECK(cudaDeviceSynchronize());
    EXPECT_ERROR(cudaFuncSetAttribute(use_large, cudaFuncAttributeMaxDynamicSharedMemorySize, limit + 1), cudaErrorInvalidValue);
    cudaGetLastError();
    CHECK(cudaFuncSetAttribute(use_large, cudaFuncAttributePreferredSharedMemoryCarveout, 50));
    CHECK(cudaFuncSetCacheConfig(plain, cudaFuncCachePreferShared));
    return 0;
}
