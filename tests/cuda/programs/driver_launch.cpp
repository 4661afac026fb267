// SPDX-License-Identifier: Apache-2.0
//
// Loads PTX and launches its kernels, with parameters by pointers and packed in
// a buffer.
#include "driver.h"

int main() {
    start();
    CUmodule module;
    CUfunction add, scale;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&add, module, "add"));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    int n = 1000;
    std::vector<int> a(n), b(n), want(n);
    for (int i = 0; i < n; i++) a[i] = i, b[i] = i * i, want[i] = i + i * i;
    CUdeviceptr da = device_ints(a), db = device_ints(b), out = device_ints(a);
    void *args[] = {&da, &db, &out, &n};
    CU(cuLaunchKernel(add, 8, 1, 1, 128, 1, 1, 0, nullptr, args, nullptr));
    CU(cuCtxSynchronize());
    expect_same("pointers", host_ints(out, n), want);

    struct { CUdeviceptr v; int n, by; } packed = {out, n, -3};
    size_t size = sizeof packed;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
    CUstream s;
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    CU(cuLaunchKernel(scale, 8, 1, 1, 128, 1, 1, 0, s, nullptr, extra));
    CU(cuStreamSynchronize(s));
    for (int &w : want) w *= -3;
    expect_same("packed", host_ints(out, n), want);

    int threads = 0, version = 0;
    CU(cuFuncGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, add));
    CU(cuFuncGetAttribute(&version, CU_FUNC_ATTRIBUTE_PTX_VERSION, add));
    EXPECT(threads >= 128 && version >= 60, "%d threads, PTX %d", threads, version);
    EXPECT_CU(cuLaunchKernel(add, 1, 1, 1, 2048, 1, 1, 0, nullptr, args, nullptr), CUDA_ERROR_INVALID_VALUE);
    EXPECT_CU(cuLaunchKernel(add, 0, 1, 1, 1, 1, 1, 0, nullptr, args, nullptr), CUDA_ERROR_INVALID_VALUE);
    CU(cuModuleUnload(module));
    return 0;
}
