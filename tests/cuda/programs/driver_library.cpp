// SPDX-License-Identifier: Apache-2.0
//
// Libraries: code that is loaded for all contexts at once (CUDA 12).
#include "driver.h"

int main() {
#if CUDA_VERSION >= 12000
    start();
    CUlibrary library;
    CU(cuLibraryLoadData(&library, kernels_ptx, nullptr, nullptr, 0, nullptr, nullptr, 0));
    CUkernel kernel;
    CUfunction function;
    CUmodule module;
    CU(cuLibraryGetKernel(&kernel, library, "times"));
    CU(cuKernelGetFunction(&function, kernel));
    CU(cuLibraryGetModule(&module, library));
    CUdeviceptr factor, d = device_ints(std::vector<int>(20, 2));
    size_t size = 0;
    CU(cuLibraryGetGlobal(&factor, &size, library, "factor"));
    EXPECT(size == 4, "the variable has %zu bytes", size);
    int four = 4, n = 20;
    CU(cuMemcpyHtoD(factor, &four, sizeof four));
    void *args[] = {&d, &n};
    CU(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, nullptr, args, nullptr));
    // A kernel may be launched as it is, too.
    CU(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 32, 1, 1, 0, nullptr, args, nullptr));
    expect_same("times", host_ints(d, n), std::vector<int>(n, 32));
#if CUDA_VERSION >= 12040
    // The parameters of a kernel are those that it has in the current context, if there is one.
    CUcontext context;
    size_t offset = 0;
    CU(cuKernelGetParamInfo(kernel, 1, &offset, &size));
    EXPECT(offset == 8 && size == 4, "parameter 1 has %zu bytes at %zu", size, offset);
    EXPECT_CU(cuKernelGetParamInfo(kernel, 2, &offset, &size), CUDA_ERROR_INVALID_VALUE);
    CU(cuCtxPopCurrent(&context));
    EXPECT_CU(cuKernelGetParamInfo(kernel, 1, &offset, &size), CUDA_ERROR_INVALID_CONTEXT);
    CU(cuCtxPushCurrent(context));
#endif
    EXPECT_CU(cuLibraryGetKernel(&kernel, library, "no_such_kernel"), CUDA_ERROR_NOT_FOUND);
    CU(cuLibraryUnload(library));
    return 0;
#else
    SKIP("CUDA %d has no libraries", CUDA_VERSION);
#endif
}
