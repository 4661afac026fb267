// SPDX-License-Identifier: Apache-2.0
//
// Modules: variables of a module, two modules from one text, names that are not
// there, text that is none.
#include "driver.h"

int main() {
    start();
    CUmodule one, two;
    CU(cuModuleLoadData(&one, kernels_ptx));
    CU(cuModuleLoadData(&two, kernels_ptx));
    CUfunction f1, f2, none;
    CU(cuModuleGetFunction(&f1, one, "times"));
    CU(cuModuleGetFunction(&f2, two, "times"));
    EXPECT_CU(cuModuleGetFunction(&none, one, "no_such_kernel"), CUDA_ERROR_NOT_FOUND);
    EXPECT_CU(cuModuleGetFunction(&none, one, "factor"), CUDA_ERROR_NOT_FOUND);
    CUdeviceptr v1, v2, missing;
    size_t size = 0;
    CU(cuModuleGetGlobal(&v1, &size, one, "factor"));
    EXPECT(size == 4, "the variable has %zu bytes, want 4", size);
    CU(cuModuleGetGlobal(&v2, nullptr, two, "factor"));
    EXPECT(v1 != v2, "both modules share a variable");
    EXPECT_CU(cuModuleGetGlobal(&missing, &size, one, "no_such_variable"), CUDA_ERROR_NOT_FOUND);
    int seven = 7, n = 32;
    CU(cuMemcpyHtoD(v2, &seven, sizeof seven));
    std::vector<int> v(n), want(n);
    for (int i = 0; i < n; i++) v[i] = i, want[i] = i * 21;
    CUdeviceptr d = device_ints(v);
    void *args[] = {&d, &n};
    CU(cuLaunchKernel(f1, 1, 1, 1, 64, 1, 1, 0, nullptr, args, nullptr));
    CU(cuLaunchKernel(f2, 1, 1, 1, 64, 1, 1, 0, nullptr, args, nullptr));
    expect_same("3 times 7", host_ints(d, n), want);
    CU(cuModuleUnload(one));
    CU(cuLaunchKernel(f2, 1, 1, 1, 64, 1, 1, 0, nullptr, args, nullptr));
    for (int &w : want) w *= 7;
    expect_same("after unloading the other", host_ints(d, n), want);

    CUmodule bad;
    EXPECT_CU(cuModuleLoadData(&bad, ".version 6.0\n.target sm_60\n.address_size 64\nthis is not PTX\n"), CUDA_ERROR_INVALID_PTX);
    EXPECT_CU(cuModuleLoad(&bad, "/nonexistent/file.ptx"), CUDA_ERROR_FILE_NOT_FOUND);
    return 0;
}
