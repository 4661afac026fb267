// SPDX-License-Identifier: Apache-2.0
//
// Managed variables of modules and libraries: many modules, each with its own, in several contexts, unloaded or left to
// their context's end.
#include "driver.h"

static const char code[] = R"(
.version 6.0
.target sm_60
.address_size 64

.visible .global .attribute(.managed) .align 4 .u32 total = 7;
.visible .global .attribute(.managed) .align 8 .b8 wide[2000000];
.visible .global .align 4 .u32 inner = 20;

.visible .entry step(.param .u32 by)
{
    .reg .b32 %r<6>;
    ld.param.u32 %r1, [by];
    ld.global.u32 %r2, [total];
    ld.global.u32 %r3, [inner];
    add.s32 %r2, %r2, %r1;
    add.s32 %r3, %r3, %r2;
    st.global.u32 [total], %r2;
    st.global.u32 [inner], %r3;
    st.global.u32 [wide+1999996], %r3;
    ret;
}
)";

struct Variables {
    int *total, *wide;
    CUdeviceptr inner;
};

static Variables of(CUmodule module) {
    CUdeviceptr total, wide, inner;
    size_t n;
    CU(cuModuleGetGlobal(&total, &n, module, "total"));
    EXPECT(n == 4, "total has %zu bytes", n);
    CU(cuModuleGetGlobal(&wide, &n, module, "wide"));
    EXPECT(n == 2000000, "wide has %zu bytes", n);
    CU(cuModuleGetGlobal(&inner, &n, module, "inner"));
    EXPECT_CU(cuModuleGetGlobal(nullptr, &n, module, "none"), CUDA_ERROR_NOT_FOUND);
    unsigned managed = 2;
    CU(cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, total));
    EXPECT((managed & 1) == 1, "total is not managed");
    return {(int *)total, (int *)wide, inner};
}

static void step(CUfunction f, int by) {
    void *args[] = {&by};
    CU(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, nullptr, args, nullptr));
    CU(cuCtxSynchronize());
}

// use tries a fresh module, whose variables have their first values.
static Variables use(CUmodule module) {
    Variables v = of(module);
    CUfunction f;
    CU(cuModuleGetFunction(&f, module, "step"));
    EXPECT(*v.total == 7 && v.wide[499999] == 0, "first values %d and %d", *v.total, v.wide[499999]);
    step(f, 3);
    EXPECT(*v.total == 10 && v.wide[499999] == 30, "after a step %d and %d", *v.total, v.wide[499999]);
    *v.total = 100;
    step(f, 1);
    int inner = 0;
    CU(cuMemcpyDtoH(&inner, v.inner, sizeof inner));
    EXPECT(*v.total == 101 && v.wide[499999] == 131 && inner == 131, "then %d, %d and %d", *v.total, v.wide[499999], inner);
    return v;
}

static CUmodule load() {
    CUmodule module;
    CU(cuModuleLoadData(&module, code));
    return module;
}

int main() {
    CUcontext first = start();
    CUmodule one = load(), two = load();
    Variables a = use(one), b = use(two);
    EXPECT(a.total != b.total, "two modules share a variable");
    *a.total = 1;
    EXPECT(*b.total == 101, "a module has changed another's variable");
    CU(cuModuleUnload(one));
    EXPECT(*b.total == 101, "a module has taken another's variable along");
    for (int i = 0; i < 20; i++) {
        CUmodule module = load();
        use(module);
        CU(cuModuleUnload(module));
    }
    // Contexts that end with modules in them.
    for (int i = 0; i < 4; i++) {
        CUcontext context = start();
        use(load());
        use(load());
        CU(cuCtxDestroy(context));
    }
    CU(cuCtxSetCurrent(first));
    EXPECT(*b.total == 101, "a context has taken another's variable along");
    use(load());
#if CUDA_VERSION >= 12000
    CUlibrary library;
    CUmodule module;
    CUdeviceptr total;
    size_t size;
    CU(cuCtxSetCurrent(nullptr));
    CU(cuLibraryLoadData(&library, code, nullptr, nullptr, 0, nullptr, nullptr, 0));
    CU(cuCtxSetCurrent(first));
    CU(cuLibraryGetManaged(&total, &size, library, "total"));
    CU(cuLibraryGetModule(&module, library));
    Variables v = use(module);
    EXPECT(size == 4 && (int *)total == v.total, "a library's variable is elsewhere");
    CU(cuLibraryUnload(library));
#endif
    CU(cuCtxDestroy(first));
    return 0;
}
