// SPDX-License-Identifier: Apache-2.0
//
// Cooperative launches by the driver API, by the function for several devices too, on one.
#include "driver.h"

int main() {
    CUcontext context = start();
    CUmodule module;
    CUfunction scale;
    CUstream s;
    int cooperative, multi, n = 200, by = 3;
    CU(cuDeviceGetAttribute(&cooperative, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 0));
    CU(cuDeviceGetAttribute(&multi, CU_DEVICE_ATTRIBUTE_COOPERATIVE_MULTI_DEVICE_LAUNCH, 0));
    if (!cooperative) SKIP("the device has no cooperative launches");
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CU(cuStreamCreate(&s, 0));
    CUdeviceptr d = device_ints(std::vector<int>(n, 2));
    void *args[] = {&d, &n, &by};
    CU(cuLaunchCooperativeKernel(scale, 2, 1, 1, 128, 1, 1, 0, s, args));
    CU(cuStreamSynchronize(s));
    expect_same("one launch", host_ints(d, n), std::vector<int>(n, 6));
    EXPECT_CU(cuLaunchCooperativeKernel(scale, 1 << 20, 1, 1, 128, 1, 1, 0, s, args), CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);

    CUDA_LAUNCH_PARAMS p = {scale, 2, 1, 1, 128, 1, 1, 0, s, args};
    CUresult r = cuLaunchCooperativeKernelMultiDevice(&p, 1, 0);
    if (r == CUDA_ERROR_NOT_SUPPORTED && !multi) SKIP("the device takes no part in launches on several");
    CU(r);
    CU(cuStreamSynchronize(s));
    expect_same("a launch on a list of devices", host_ints(d, n), std::vector<int>(n, 18));
    EXPECT_CU(cuLaunchCooperativeKernelMultiDevice(&p, 0, 0), CUDA_ERROR_INVALID_VALUE);
    CU(cuMemFree(d));
    CU(cuStreamDestroy(s));
    CU(cuCtxDestroy(context));
    return 0;
}
