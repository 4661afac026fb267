// SPDX-License-Identifier: Apache-2.0
//
// Device code that driver_fatbin loads from a file.
extern "C" {
__constant__ int offsets[4] = {1, 20, 300, 4000};
__device__ int calls;

__global__ void shift(int *v, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] += offsets[i % 4];
    if (i == 0) atomicAdd(&calls, 1);
}
}
