// SPDX-License-Identifier: Apache-2.0
//
// Loads a fatbin from a file by name and from memory.
// fatbin: fatbin/shift.cu
// args: {out}/driver_fatbin.fatbin
#include "driver.h"

void use(CUmodule module, int rounds) {
    CUfunction f;
    CU(cuModuleGetFunction(&f, module, "shift"));
    int n = 500;
    std::vector<int> v(n), want(n);
    for (int i = 0; i < n; i++) {
        const int offsets[] = {1, 20, 300, 4000};
        v[i] = i;
        want[i] = i + rounds * offsets[i % 4];
    }
    CUdeviceptr d = device_ints(v), calls;
    void *args[] = {&d, &n};
    for (int r = 0; r < rounds; r++) CU(cuLaunchKernel(f, 4, 1, 1, 128, 1, 1, 0, nullptr, args, nullptr));
    expect_same("shift", host_ints(d, n), want);
    size_t size;
    CU(cuModuleGetGlobal(&calls, &size, module, "calls"));
    expect_same("calls", host_ints(calls, 1), std::vector<int>{rounds});
    CU(cuModuleUnload(module));
}

int main(int argc, char **argv) {
    EXPECT(argc == 2, "usage: driver_fatbin FILE");
    start();
    CUmodule module;
    CU(cuModuleLoad(&module, argv[1]));
    use(module, 1);

    FILE *f = fopen(argv[1], "rb");
    EXPECT(f, "cannot open %s", argv[1]);
    std::vector<char> data;
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, f)) > 0;) data.insert(data.end(), buffer, buffer + n);
    fclose(f);
    CU(cuModuleLoadFatBinary(&module, data.data()));
    use(module, 3);
    CU(cuModuleLoadData(&module, data.data()));
    // The module keeps nothing of the buffer.
    std::fill(data.begin(), data.end(), 0);
    use(module, 2);
    EXPECT(cuModuleLoadData(&module, "neither PTX nor a fatbin") != CUDA_SUCCESS, "nonsense was loaded");
    return 0;
}
