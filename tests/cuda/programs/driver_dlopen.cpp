// SPDX-License-Identifier: Apache-2.0
//
// Finds the driver at run time, as frameworks do: by dlopen, and all functions
// by cuGetProcAddress.
// link: -ldl
#include <dlfcn.h>

#include "driver.h"

typedef CUresult (*GetProcAddress)(const char *, void **, int, cuuint64_t);

// find gives the newest variant of a function that a program of version 11.8
// knows; names go without the version of the function.
void *find(GetProcAddress get, const char *name) {
    void *p = nullptr;
    CU(get(name, &p, 11080, 0));
    EXPECT(p != nullptr, "%s is not there", name);
    return p;
}

int main() {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    EXPECT(library, "dlopen: %s", dlerror());
    GetProcAddress get = (GetProcAddress)dlsym(library, "cuGetProcAddress");
    EXPECT(get, "dlsym: %s", dlerror());
    auto init = (CUresult(*)(unsigned))dlsym(library, "cuInit");
    EXPECT(init, "dlsym: %s", dlerror());
    void *p = nullptr;
    EXPECT(get("cuNoSuchFunction", &p, 11080, 0) != CUDA_SUCCESS, "a function that is none was found");
    CU(init(0));
    auto device_get = (CUresult(*)(CUdevice *, int))find(get, "cuDeviceGet");
    auto retain = (CUresult(*)(CUcontext *, CUdevice))find(get, "cuDevicePrimaryCtxRetain");
    auto set = (CUresult(*)(CUcontext))find(get, "cuCtxSetCurrent");
    auto alloc = (CUresult(*)(CUdeviceptr *, size_t))find(get, "cuMemAlloc");
    auto up = (CUresult(*)(CUdeviceptr, const void *, size_t))find(get, "cuMemcpyHtoD");
    auto down = (CUresult(*)(void *, CUdeviceptr, size_t))find(get, "cuMemcpyDtoH");
    auto load = (CUresult(*)(CUmodule *, const void *))find(get, "cuModuleLoadData");
    auto function = (CUresult(*)(CUfunction *, CUmodule, const char *))find(get, "cuModuleGetFunction");
    auto launch = (CUresult(*)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream,
                               void **, void **))find(get, "cuLaunchKernel");
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction f;
    CUdeviceptr d;
    int n = 16, by = -2;
    std::vector<int> v(n, 21), got(n);
    CU(device_get(&device, 0));
    CU(retain(&context, device));
    CU(set(context));
    CU(load(&module, kernels_ptx));
    CU(function(&f, module, "scale"));
    CU(alloc(&d, n * 4));
    CU(up(d, v.data(), n * 4));
    void *args[] = {&d, &n, &by};
    CU(launch(f, 1, 1, 1, 32, 1, 1, 0, nullptr, args, nullptr));
    CU(down(got.data(), d, n * 4));
    expect_same("scale", got, std::vector<int>(n, -42));
    // Functions that need a graphics API are found where there is none, and say no.
    auto image = (CUresult(*)(CUgraphicsResource *, unsigned, unsigned, unsigned))find(get, "cuGraphicsGLRegisterImage");
    CUgraphicsResource resource;
    EXPECT(image(&resource, 1, 0x0de1, 0) != CUDA_SUCCESS, "an image of no OpenGL was registered");
    // Names with a version are symbols of the library.
    for (const char *name : {"cuMemAlloc_v2", "cuCtxCreate_v2", "cuMemcpyHtoD_v2", "cuStreamDestroy_v2", "cuLaunchKernel_ptsz"})
        EXPECT(dlsym(library, name), "%s is not exported", name);
    return 0;
}
