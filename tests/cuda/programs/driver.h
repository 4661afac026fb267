// SPDX-License-Identifier: Apache-2.0
//
// What the programs of the driver API share: a context, and PTX to load.
#pragma once

#include <cuda.h>

#include "check.h"

// start initialises the driver and makes a context on device 0 current.
inline CUcontext start() {
    CUdevice device;
    CUcontext context;
    CU(cuInit(0));
    CU(cuDeviceGet(&device, 0));
#if CUDA_VERSION >= 13000
    CU(cuCtxCreate(&context, nullptr, 0, device));
#else
    CU(cuCtxCreate(&context, 0, device));
#endif
    return context;
}

// kernels_ptx holds add(a, b, out, n), adding integers; scale(v, n, by) for
// integers in place; and the variable factor, an integer that is 3 at first,
// which times(v, n) multiplies by.
static const char kernels_ptx[] = R"(
.version 6.0
.target sm_60
.address_size 64

.visible .global .align 4 .u32 factor = 3;

.visible .entry add(.param .u64 pa, .param .u64 pb, .param .u64 pout, .param .u32 pn)
{
    .reg .pred %p;
    .reg .b32 %r<8>;
    .reg .b64 %d<8>;
    ld.param.u64 %d1, [pa];
    ld.param.u64 %d2, [pb];
    ld.param.u64 %d3, [pout];
    ld.param.u32 %r1, [pn];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p, %r5, %r1;
    @%p bra DONE;
    cvta.to.global.u64 %d1, %d1;
    cvta.to.global.u64 %d2, %d2;
    cvta.to.global.u64 %d3, %d3;
    mul.wide.u32 %d4, %r5, 4;
    add.s64 %d5, %d1, %d4;
    add.s64 %d6, %d2, %d4;
    add.s64 %d7, %d3, %d4;
    ld.global.u32 %r6, [%d5];
    ld.global.u32 %r7, [%d6];
    add.s32 %r6, %r6, %r7;
    st.global.u32 [%d7], %r6;
DONE:
    ret;
}

.visible .entry scale(.param .u64 pv, .param .u32 pn, .param .u32 pby)
{
    .reg .pred %p;
    .reg .b32 %r<8>;
    .reg .b64 %d<4>;
    ld.param.u64 %d1, [pv];
    ld.param.u32 %r1, [pn];
    ld.param.u32 %r2, [pby];
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ntid.x;
    mov.u32 %r5, %tid.x;
    mad.lo.s32 %r6, %r3, %r4, %r5;
    setp.lt.u32 %p, %r6, %r1;
    @!%p ret;
    mul.wide.u32 %d2, %r6, 4;
    add.s64 %d3, %d1, %d2;
    ld.u32 %r7, [%d3];
    mul.lo.s32 %r7, %r7, %r2;
    st.u32 [%d3], %r7;
    ret;
}

.visible .entry times(.param .u64 pv, .param .u32 pn)
{
    .reg .pred %p;
    .reg .b32 %r<8>;
    .reg .b64 %d<4>;
    ld.param.u64 %d1, [pv];
    ld.param.u32 %r1, [pn];
    ld.global.u32 %r2, [factor];
    mov.u32 %r6, %tid.x;
    setp.ge.u32 %p, %r6, %r1;
    @%p ret;
    mad.wide.u32 %d3, %r6, 4, %d1;
    ld.u32 %r7, [%d3];
    mul.lo.s32 %r7, %r7, %r2;
    st.u32 [%d3], %r7;
    ret;
}
)";

// device_ints copies integers into new device memory. They are there when it returns, for streams that do not wait for
// the default one too: a copy of pageable memory may return before.
inline CUdeviceptr device_ints(const std::vector<int> &v) {
    CUdeviceptr p;
    CU(cuMemAlloc(&p, v.size() * sizeof(int)));
    CU(cuMemcpyHtoD(p, v.data(), v.size() * sizeof(int)));
    CU(cuStreamSynchronize(nullptr));
    return p;
}

// host_ints copies integers back.
inline std::vector<int> host_ints(CUdeviceptr p, size_t n) {
    std::vector<int> v(n);
    CU(cuMemcpyDtoH(v.data(), p, n * sizeof(int)));
    return v;
}
