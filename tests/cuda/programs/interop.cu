// SPDX-License-Identifier: Apache-2.0
//
// The runtime and the driver API in one program share contexts, memory, streams
// and errors.
// link: -lcuda
#include "driver.h"

__global__ void add_one(int *v) { v[threadIdx.x]++; }

int main() {
    int *v = to_device(std::vector<int>(32, 4));
    CUcontext current, primary;
    CUdevice device;
    CU(cuCtxGetCurrent(&current));
    CU(cuCtxGetDevice(&device));
    CU(cuDevicePrimaryCtxRetain(&primary, device));
    EXPECT(current == primary, "the runtime does not use the primary context");
    CUmodule module;
    CUfunction scale;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    int n = 32, by = 6;
    void *args[] = {&v, &n, &by};
    add_one<<<1, 32, 0, s>>>(v);
    CU(cuLaunchKernel(scale, 1, 1, 1, 32, 1, 1, 0, s, args, nullptr));
    add_one<<<1, 32, 0, s>>>(v);
    CU(cuStreamSynchronize(s));
    expect_same("both", host_ints((CUdeviceptr)v, 32), std::vector<int>(32, 31));
    CUdeviceptr d;
    CU(cuMemAlloc(&d, 128));
    CHECK(cudaMemset((void *)d, 0, 128));
    add_one<<<1, 32>>>((int *)d);
    launched();
    CHECK(cudaFree((void *)d));
    // A context of the driver's is taken by the runtime when it is current.
    CUcontext own = start();
    int *w = to_device(std::vector<int>(32, 9));
    add_one<<<1, 32>>>(w);
    launched();
    expect_same("own context", to_host(w, 32), std::vector<int>(32, 10));
    CU(cuCtxDestroy(own));
    CHECK(cudaSetDevice(0));
    expect_same("primary again", to_host(v, 32), std::vector<int>(32, 31));
    return 0;
}
