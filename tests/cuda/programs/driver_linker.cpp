// SPDX-License-Identifier: Apache-2.0
//
// Links two texts of PTX, one of which calls a function of the other.
#include "driver.h"

static const char caller[] = R"(
.version 6.0
.target sm_60
.address_size 64
.extern .func (.param .b32 result) triple (.param .b32 value);
.visible .entry apply(.param .u64 pv)
{
    .reg .b32 %r<4>;
    .reg .b64 %d<4>;
    ld.param.u64 %d1, [pv];
    mov.u32 %r1, %tid.x;
    mad.wide.u32 %d2, %r1, 4, %d1;
    ld.u32 %r2, [%d2];
    {
        .param .b32 value;
        .param .b32 result;
        st.param.b32 [value], %r2;
        call (result), triple, (value);
        ld.param.b32 %r3, [result];
    }
    st.u32 [%d2], %r3;
    ret;
}
)";

static const char callee[] = R"(
.version 6.0
.target sm_60
.address_size 64
.visible .func (.param .b32 result) triple (.param .b32 value)
{
    .reg .b32 %r<3>;
    ld.param.b32 %r1, [value];
    mul.lo.s32 %r2, %r1, 3;
    st.param.b32 [result], %r2;
    ret;
}
)";

// A unit that declares what it defines further down, as NVVM's do.
static const char declared[] = R"(
.version 6.0
.target sm_60
.address_size 64
.func (.param .b32 result) twice (.param .b32 value);
.visible .entry apply(.param .u64 pv)
{
    .reg .b32 %r<4>;
    .reg .b64 %d<4>;
    ld.param.u64 %d1, [pv];
    mov.u32 %r1, %tid.x;
    mad.wide.u32 %d2, %r1, 4, %d1;
    ld.u32 %r2, [%d2];
    {
        .param .b32 value;
        .param .b32 result;
        st.param.b32 [value], %r2;
        call (result), twice, (value);
        ld.param.b32 %r3, [result];
    }
    st.u32 [%d2], %r3;
    ret;
}
.func (.param .b32 result) twice (.param .b32 value)
{
    .reg .b32 %r<3>;
    ld.param.b32 %r1, [value];
    add.s32 %r2, %r1, %r1;
    st.param.b32 [result], %r2;
    ret;
}
)";

int main() {
    start();
    char errors[2048] = {};
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {errors, (void *)sizeof errors};
    CUlinkState link;
    CU(cuLinkCreate(2, options, values, &link));
    CU(cuLinkAddData(link, CU_JIT_INPUT_PTX, (void *)caller, sizeof caller, "caller", 0, nullptr, nullptr));
    CU(cuLinkAddData(link, CU_JIT_INPUT_PTX, (void *)callee, sizeof callee, "callee", 0, nullptr, nullptr));
    void *image = nullptr;
    size_t size = 0;
    CU(cuLinkComplete(link, &image, &size));
    EXPECT(image && size > 0, "an image of %zu bytes", size);
    CUmodule module;
    CU(cuModuleLoadData(&module, image));
    CU(cuLinkDestroy(link)); // the image goes with it, the module stays
    CUfunction f;
    CU(cuModuleGetFunction(&f, module, "apply"));
    std::vector<int> v(64), want(64);
    for (int i = 0; i < 64; i++) v[i] = i - 5, want[i] = (i - 5) * 3;
    CUdeviceptr d = device_ints(v);
    void *args[] = {&d};
    CU(cuLaunchKernel(f, 1, 1, 1, 64, 1, 1, 0, nullptr, args, nullptr));
    expect_same("linked", host_ints(d, 64), want);

    // Without the other half there is a name that nothing defines.
    values[1] = (void *)sizeof errors; // it has become the bytes that were written
    CU(cuLinkCreate(2, options, values, &link));
    CU(cuLinkAddData(link, CU_JIT_INPUT_PTX, (void *)caller, sizeof caller, "caller", 0, nullptr, nullptr));
    EXPECT(cuLinkComplete(link, &image, &size) != CUDA_SUCCESS, "a link without the function called succeeded");
    EXPECT(strstr(errors, "triple"), "the log does not name the function: %s", errors);
    CU(cuLinkDestroy(link));

    CU(cuLinkCreate(0, nullptr, nullptr, &link));
    CU(cuLinkAddData(link, CU_JIT_INPUT_PTX, (void *)declared, sizeof declared, "declared", 0, nullptr, nullptr));
    CU(cuLinkComplete(link, &image, &size));
    CU(cuModuleLoadData(&module, image));
    CU(cuLinkDestroy(link));
    CU(cuModuleGetFunction(&f, module, "apply"));
    CU(cuLaunchKernel(f, 1, 1, 1, 64, 1, 1, 0, nullptr, args, nullptr));
    for (int &x : want) x *= 2;
    expect_same("declared before it is defined", host_ints(d, 64), want);
    return 0;
}
