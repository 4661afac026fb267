// SPDX-License-Identifier: Apache-2.0
//
// Memory of the program's own made known to the GPU.
#include <unistd.h>

#include "check.h"

__global__ void scale(int *v, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] = v[i] * 2 + 1;
}

int main() {
    const size_t page = sysconf(_SC_PAGESIZE), bytes = 16 * page;
    const int n = (int)(bytes / sizeof(int));
    void *memory = nullptr;
    EXPECT(posix_memalign(&memory, page, bytes) == 0, "no memory");
    int *v = (int *)memory, *device;
    for (int i = 0; i < n; i++) v[i] = i;
    cudaError_t error = cudaHostRegister(v, bytes, cudaHostRegisterMapped);
    if (error == cudaErrorNotSupported) SKIP("memory of the program's own cannot be registered");
    CHECK(error);
    EXPECT_ERROR(cudaHostRegister(v, bytes, cudaHostRegisterMapped), cudaErrorHostMemoryAlreadyRegistered);
    cudaGetLastError();
    CHECK(cudaHostGetDevicePointer(&device, v, 0));
    scale<<<(n + 127) / 128, 128>>>(device, n);
    launched();
    for (int i = 0; i < n; i++) EXPECT(v[i] == 2 * i + 1, "element %d is %d, want %d", i, v[i], 2 * i + 1);
    int *copy = device_array<int>(n);
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    CHECK(cudaMemcpyAsync(copy, v, bytes, cudaMemcpyHostToDevice, s));
    scale<<<(n + 127) / 128, 128, 0, s>>>(copy, n);
    CHECK(cudaMemcpyAsync(v, copy, bytes, cudaMemcpyDeviceToHost, s));
    CHECK(cudaStreamSynchronize(s));
    for (int i = 0; i < n; i++) EXPECT(v[i] == 4 * i + 3, "element %d is %d, want %d", i, v[i], 4 * i + 3);
    EXPECT_ERROR(cudaHostUnregister(v + 8), cudaErrorInvalidValue); // not where it begins
    cudaGetLastError();
    CHECK(cudaHostUnregister(v));
    EXPECT_ERROR(cudaHostUnregister(v), cudaErrorHostMemoryNotRegistered);
    free(memory);
    return 0;
}
