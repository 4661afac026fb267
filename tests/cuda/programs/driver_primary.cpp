// SPDX-License-Identifier: Apache-2.0
//
// The primary context: counted, active while it is held, fresh after a reset.
#include "driver.h"

void expect_state(CUdevice device, int want) {
    unsigned flags;
    int active = -1;
    CU(cuDevicePrimaryCtxGetState(device, &flags, &active));
    EXPECT(active == want, "the primary context is %s", active ? "active" : "not active");
}

int main() {
    CU(cuInit(0));
    CUdevice device;
    CU(cuDeviceGet(&device, 0));
    expect_state(device, 0);
    CU(cuDevicePrimaryCtxSetFlags(device, CU_CTX_SCHED_BLOCKING_SYNC));
    CUcontext a, b;
    CU(cuDevicePrimaryCtxRetain(&a, device));
    expect_state(device, 1);
    CU(cuDevicePrimaryCtxRetain(&b, device));
    EXPECT(a == b, "the primary context is another the second time");
    CUcontext none;
    CU(cuCtxGetCurrent(&none));
    EXPECT(none == nullptr, "retaining it made it current");
    CU(cuCtxSetCurrent(a));
    unsigned flags = 0;
    CU(cuCtxGetFlags(&flags));
    EXPECT((flags & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_BLOCKING_SYNC, "flags are %#x", flags);
    CUmodule module;
    CUfunction f;
    int n = 8;
    auto use = [&] {
        CU(cuModuleLoadData(&module, kernels_ptx));
        CU(cuModuleGetFunction(&f, module, "times"));
        CUdeviceptr d = device_ints(std::vector<int>(8, 5));
        void *args[] = {&d, &n};
        CU(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, nullptr, args, nullptr));
        expect_same("times", host_ints(d, 8), std::vector<int>(8, 15));
    };
    use();
    CU(cuDevicePrimaryCtxRelease(device));
    expect_state(device, 1);
    CU(cuDevicePrimaryCtxRelease(device));
    expect_state(device, 0);
    EXPECT_CU(cuDevicePrimaryCtxRelease(device), CUDA_ERROR_INVALID_CONTEXT);
    CU(cuDevicePrimaryCtxRetain(&a, device));
    CU(cuCtxSetCurrent(a));
    use();
    CU(cuDevicePrimaryCtxReset(device));
    CU(cuDevicePrimaryCtxRetain(&a, device));
    CU(cuCtxSetCurrent(a));
    use();
    return 0;
}
