// SPDX-License-Identifier: Apache-2.0
//
// Arrays, texture objects, and texture and surface references by the driver API: what is set is what is told,
// and a kernel reads what is bound.
#include "driver.h"

// sample(out) reads 8 texels of the reference named; copied(object, surface) copies 8 from an object to the
// surface reference written.
static const char texture_ptx[] = R"(
.version 6.0
.target sm_60
.address_size 64
.global .texref named;
.global .surfref written;

.visible .entry sample(.param .u64 pout)
{
    .reg .b32 %r<4>;
    .reg .f32 %f<8>;
    .reg .b64 %d<4>;
    ld.param.u64 %d1, [pout];
    mov.u32 %r1, %tid.x;
    cvt.rn.f32.u32 %f1, %r1;
    tex.1d.v4.f32.f32 {%f2, %f3, %f4, %f5}, [named, {%f1}];
    mul.wide.u32 %d2, %r1, 4;
    add.s64 %d3, %d1, %d2;
    st.global.f32 [%d3], %f2;
    ret;
}

.visible .entry copied(.param .u64 pobject)
{
    .reg .b32 %r<4>;
    .reg .f32 %f<8>;
    .reg .b64 %d<2>;
    ld.param.u64 %d1, [pobject];
    mov.u32 %r1, %tid.x;
    shl.b32 %r2, %r1, 2;
    tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%d1, {%r1}];
    mov.b32 %r3, %f1;
    sust.b.1d.b32.trap [written, {%r2}], %r3;
    ret;
}
)";

static void references(CUmodule module, CUarray array, CUdeviceptr memory) {
    CUtexref t, same;
    CUsurfref s;
    CU(cuModuleGetTexRef(&t, module, "named"));
    CU(cuModuleGetTexRef(&same, module, "named"));
    EXPECT(t == same, "a reference has two handles");
    EXPECT_CU(cuModuleGetTexRef(&same, module, "missing"), CUDA_ERROR_NOT_FOUND);
    CU(cuModuleGetSurfRef(&s, module, "written"));
    CU(cuTexRefSetFilterMode(t, CU_TR_FILTER_MODE_LINEAR));
    CU(cuTexRefSetAddressMode(t, 0, CU_TR_ADDRESS_MODE_BORDER));
    CU(cuTexRefSetFlags(t, CU_TRSF_NORMALIZED_COORDINATES));
    CU(cuTexRefSetMaxAnisotropy(t, 4));
    CU(cuTexRefSetMipmapFilterMode(t, CU_TR_FILTER_MODE_LINEAR));
    CU(cuTexRefSetMipmapLevelBias(t, 0.25f));
    CU(cuTexRefSetMipmapLevelClamp(t, 1.5f, 3));
    float border[4] = {1, 2, 3, 4}, told[4];
    CU(cuTexRefSetBorderColor(t, border));
    CU(cuTexRefSetFormat(t, CU_AD_FORMAT_FLOAT, 1));
    CUfilter_mode filter, levels;
    CUaddress_mode mode;
    CUarray_format format;
    int channels, most;
    unsigned flags;
    float bias, low, high;
    CU(cuTexRefGetFilterMode(&filter, t));
    CU(cuTexRefGetMipmapFilterMode(&levels, t));
    CU(cuTexRefGetAddressMode(&mode, t, 0));
    CU(cuTexRefGetFormat(&format, &channels, t));
    CU(cuTexRefGetMaxAnisotropy(&most, t));
    CU(cuTexRefGetFlags(&flags, t));
    CU(cuTexRefGetMipmapLevelBias(&bias, t));
    CU(cuTexRefGetMipmapLevelClamp(&low, &high, t));
    CU(cuTexRefGetBorderColor(told, t));
    EXPECT(filter == CU_TR_FILTER_MODE_LINEAR && levels == CU_TR_FILTER_MODE_LINEAR && mode == CU_TR_ADDRESS_MODE_BORDER &&
               format == CU_AD_FORMAT_FLOAT && channels == 1 && most == 4 && flags == CU_TRSF_NORMALIZED_COORDINATES,
           "%d %d %d %d %d %d %u", filter, levels, mode, format, channels, most, flags);
    EXPECT(bias == 0.25f && low == 1.5f && high == 3, "bias %g, clamp %g %g", bias, low, high);
    EXPECT(!memcmp(border, told, sizeof border), "border %g %g %g %g", told[0], told[1], told[2], told[3]);

    CUarray got = nullptr;
    CU(cuTexRefSetArray(t, array, CU_TRSA_OVERRIDE_FORMAT));
    CU(cuTexRefGetArray(&got, t));
    EXPECT(got == array, "the array is another");
    CU(cuSurfRefSetArray(s, array, 0));
    CU(cuSurfRefGetArray(&got, s));
    EXPECT(got == array, "the surface's array is another");

    // Half a texel before the first centre of a normalized, linear texture with a border.
    CUfunction sample;
    CUdeviceptr out = device_ints(std::vector<int>(8));
    CU(cuModuleGetFunction(&sample, module, "sample"));
    CU(cuParamSetTexRef(sample, CU_PARAM_TR_DEFAULT, t));
    CU(cuTexRefSetMipmapLevelClamp(t, 0, 0));
    CU(cuTexRefSetMipmapLevelBias(t, 0));
    void *args[] = {&out};
    CU(cuLaunchKernel(sample, 1, 1, 1, 1, 1, 1, 0, nullptr, args, nullptr));
    float first;
    CU(cuMemcpyDtoH(&first, out, 4));
    EXPECT(fabs(first - 0.5f * (1 + 10)) < 0.05, "the border mixes to %g", first);

    size_t offset = 99;
    CUdeviceptr address;
    CU(cuTexRefSetFlags(t, 0));
    CU(cuTexRefSetFilterMode(t, CU_TR_FILTER_MODE_POINT));
    CU(cuTexRefSetAddressMode(t, 0, CU_TR_ADDRESS_MODE_CLAMP));
    CU(cuTexRefSetAddress(&offset, t, memory, 8 * 4));
    CU(cuTexRefSetAddress(nullptr, t, memory, 8 * 4));
    CU(cuTexRefGetAddress(&address, t));
    EXPECT(offset == 0 && address == memory, "offset %zu", offset);
    CU(cuMemFree(out));
}

static void objects(CUmodule module, CUarray array, CUdeviceptr memory) {
    CUDA_RESOURCE_DESC r = {}, told = {};
    CUDA_TEXTURE_DESC t = {}, told_t = {};
    CUDA_RESOURCE_VIEW_DESC view = {}, told_view = {};
    CUtexObject object;
    r.resType = CU_RESOURCE_TYPE_ARRAY;
    r.res.array.hArray = array;
    t.addressMode[0] = CU_TR_ADDRESS_MODE_CLAMP;
    t.filterMode = CU_TR_FILTER_MODE_LINEAR;
    view.format = CU_RES_VIEW_FORMAT_UINT_1X32;
    view.width = 8;
    t.flags = CU_TRSF_READ_AS_INTEGER;
    t.filterMode = CU_TR_FILTER_MODE_POINT;
    CU(cuTexObjectCreate(&object, &r, &t, &view));
    CU(cuTexObjectGetResourceDesc(&told, object));
    CU(cuTexObjectGetTextureDesc(&told_t, object));
    CU(cuTexObjectGetResourceViewDesc(&told_view, object));
    EXPECT(told.resType == CU_RESOURCE_TYPE_ARRAY && told.res.array.hArray == array, "the array is another");
    EXPECT(told_t.filterMode == CU_TR_FILTER_MODE_POINT && told_t.flags == CU_TRSF_READ_AS_INTEGER, "flags %u", told_t.flags);
    EXPECT(told_view.format == CU_RES_VIEW_FORMAT_UINT_1X32, "format %d", told_view.format);
    CU(cuTexObjectDestroy(object));

    r = {};
    r.resType = CU_RESOURCE_TYPE_LINEAR;
    r.res.linear.devPtr = memory;
    r.res.linear.format = CU_AD_FORMAT_FLOAT;
    r.res.linear.numChannels = 1;
    r.res.linear.sizeInBytes = 8 * 4;
    t = {};
    CU(cuTexObjectCreate(&object, &r, &t, nullptr));
    CUfunction copied;
    CU(cuModuleGetFunction(&copied, module, "copied"));
    void *args[] = {&object};
    CU(cuLaunchKernel(copied, 1, 1, 1, 8, 1, 1, 0, nullptr, args, nullptr));
    std::vector<float> got(8), want(8);
    CU(cuMemcpyAtoH(got.data(), array, 0, 32));
    CU(cuMemcpyDtoH(want.data(), memory, 32));
    expect_same("what the kernel copied", got, want);
    CU(cuTexObjectDestroy(object));

    CUsurfObject surface;
    r = {};
    r.resType = CU_RESOURCE_TYPE_ARRAY;
    r.res.array.hArray = array;
    CU(cuSurfObjectCreate(&surface, &r));
    told = {};
    CU(cuSurfObjectGetResourceDesc(&told, surface));
    EXPECT(told.res.array.hArray == array, "the surface's array is another");
    CU(cuSurfObjectDestroy(surface));
}

static void arrays() {
    CUDA_ARRAY3D_DESCRIPTOR d = {}, told = {};
    d.Width = 16, d.Height = 8, d.Depth = 4;
    d.Format = CU_AD_FORMAT_SIGNED_INT16;
    d.NumChannels = 2;
    CUarray a, b;
    CU(cuArray3DCreate(&a, &d));
    CU(cuArray3DCreate(&b, &d));
    CU(cuArray3DGetDescriptor(&told, a));
    EXPECT(told.Width == 16 && told.Height == 8 && told.Depth == 4 && told.Format == CU_AD_FORMAT_SIGNED_INT16 && told.NumChannels == 2,
           "an array of %zu by %zu by %zu", told.Width, told.Height, told.Depth);
    std::vector<int> v(16 * 8 * 4), back(v.size());
    for (size_t i = 0; i < v.size(); i++) v[i] = (int)i * 31;
    CUDA_MEMCPY3D c = {};
    c.srcMemoryType = CU_MEMORYTYPE_HOST, c.srcHost = v.data(), c.srcPitch = 64, c.srcHeight = 8;
    c.dstMemoryType = CU_MEMORYTYPE_ARRAY, c.dstArray = a;
    c.WidthInBytes = 64, c.Height = 8, c.Depth = 4;
    CU(cuMemcpy3D(&c));
    // A box of it from one array to the other, moved, and back.
    c = {};
    c.srcMemoryType = CU_MEMORYTYPE_ARRAY, c.srcArray = a, c.srcXInBytes = 8, c.srcY = 1, c.srcZ = 1;
    c.dstMemoryType = CU_MEMORYTYPE_ARRAY, c.dstArray = b;
    c.WidthInBytes = 32, c.Height = 6, c.Depth = 2;
    CU(cuMemcpy3D(&c));
    c = {};
    c.srcMemoryType = CU_MEMORYTYPE_ARRAY, c.srcArray = b;
    c.dstMemoryType = CU_MEMORYTYPE_HOST, c.dstHost = back.data(), c.dstPitch = 32, c.dstHeight = 6;
    c.WidthInBytes = 32, c.Height = 6, c.Depth = 2;
    CU(cuMemcpy3D(&c));
    for (int i = 0; i < 8 * 6 * 2; i++) {
        int x = i % 8 + 2, y = i / 8 % 6 + 1, z = i / 48 + 1;
        EXPECT(back[i] == v[(z * 8 + y) * 16 + x], "element %d of the box is %d", i, back[i]);
    }
    c.WidthInBytes = 80;
    EXPECT_CU(cuMemcpy3D(&c), CUDA_ERROR_INVALID_VALUE);
    CU(cuArrayDestroy(a));
    CU(cuArrayDestroy(b));
}

int main() {
    CUcontext context = start();
    CUmodule module;
    CU(cuModuleLoadData(&module, texture_ptx));
    CUDA_ARRAY3D_DESCRIPTOR d = {};
    d.Width = 8;
    d.Format = CU_AD_FORMAT_FLOAT;
    d.NumChannels = 1;
    d.Flags = CUDA_ARRAY3D_SURFACE_LDST;
    CUarray array;
    CU(cuArray3DCreate(&array, &d));
    std::vector<float> v = {10, 20, 30, 40, 50, 60, 70, 80};
    CU(cuMemcpyHtoA(array, 0, v.data(), 32));
    CUdeviceptr memory;
    CU(cuMemAlloc(&memory, 32));
    for (auto &f : v) f = -f;
    CU(cuMemcpyHtoD(memory, v.data(), 32));
    references(module, array, memory);
    objects(module, array, memory);
    arrays();
    CU(cuArrayDestroy(array));
    CU(cuMemFree(memory));
    CU(cuModuleUnload(module));
    CU(cuCtxDestroy(context));
    return 0;
}
