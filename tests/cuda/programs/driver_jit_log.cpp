// SPDX-License-Identifier: Apache-2.0
//
// Options of the PTX translator: logs, optimisation, and where an error is.
#include "driver.h"

int main() {
    start();
    CUmodule module;
    char info[4096] = {}, errors[4096] = {};
    float seconds = -1;
    CUjit_option options[] = {CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, CU_JIT_ERROR_LOG_BUFFER,
                              CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, CU_JIT_LOG_VERBOSE, CU_JIT_OPTIMIZATION_LEVEL, CU_JIT_WALL_TIME};
    auto load = [&](const char *text) {
        void *values[] = {info, (void *)sizeof info, errors, (void *)sizeof errors, (void *)1, (void *)3, nullptr};
        memset(info, 0, sizeof info);
        memset(errors, 0, sizeof errors);
        CUresult r = cuModuleLoadDataEx(&module, text, 7, options, values);
        // The sizes come back as what was written.
        EXPECT((size_t)values[1] <= sizeof info && (size_t)values[3] <= sizeof errors, "sizes %zu and %zu",
               (size_t)values[1], (size_t)values[3]);
        EXPECT(strlen(errors) <= (size_t)values[3], "a log of %zu bytes, said to be %zu", strlen(errors), (size_t)values[3]);
        memcpy(&seconds, &values[6], sizeof seconds);
        return r;
    };
    CU(load(kernels_ptx));
    EXPECT(errors[0] == 0, "an error log for text without fault: %s", errors);
    EXPECT(seconds >= 0, "it took %g ms", seconds);
    CUfunction f;
    CU(cuModuleGetFunction(&f, module, "scale"));
    std::vector<int> v(10, 6);
    CUdeviceptr d = device_ints(v);
    int n = 10, by = 7;
    void *args[] = {&d, &n, &by};
    CU(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, nullptr, args, nullptr));
    expect_same("scale", host_ints(d, n), std::vector<int>(10, 42));
    CU(cuModuleUnload(module));

    EXPECT_CU(load(".version 6.0\n.target sm_60\n.address_size 64\n.visible .entry f()\n{\n    frobnicate.u32 %r1, %r2;\n    ret;\n}\n"),
              CUDA_ERROR_INVALID_PTX);
    EXPECT(strstr(errors, "frobnicate") || strstr(errors, "line 6"), "the error log does not name the fault: '%s'", errors);
    return 0;
}
