// SPDX-License-Identifier: Apache-2.0
//
// Source of the machine code in this folder: nvcc -cubin -arch=sm_60 and sm_90, of CUDA 11.8 and 12.4.
__managed__ int counter = 41;
__managed__ double zero[5];
__device__ int plain = 17;

__global__ void k() {
    counter += plain;
    zero[3] = counter;
}
