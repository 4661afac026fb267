// SPDX-License-Identifier: Apache-2.0
//
// Streams and events of the driver, and writing and waiting for values in memory
// in the order of a stream.
#include "driver.h"

int main() {
    start();
    CUmodule module;
    CUfunction scale;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CUstream a, b;
    CUevent e, timed[2];
    CU(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
    CU(cuStreamCreateWithPriority(&b, CU_STREAM_NON_BLOCKING, 0));
    CU(cuEventCreate(&e, CU_EVENT_DISABLE_TIMING));
    for (CUevent &t : timed) CU(cuEventCreate(&t, CU_EVENT_DEFAULT));
    int n = 256, by = 3, want = 1;
    CUdeviceptr d = device_ints(std::vector<int>(n, 1));
    void *args[] = {&d, &n, &by};
    CU(cuEventRecord(timed[0], a));
    for (int i = 0; i < 8; i++) {
        CUstream s = i % 2 ? b : a, next = i % 2 ? a : b;
        CU(cuLaunchKernel(scale, 2, 1, 1, 128, 1, 1, 0, s, args, nullptr));
        CU(cuEventRecord(e, s));
        CU(cuStreamWaitEvent(next, e, 0));
        want *= 3;
    }
    CU(cuEventRecord(timed[1], a));
    CU(cuEventSynchronize(timed[1]));
    float ms = -1;
    CU(cuEventElapsedTime(&ms, timed[0], timed[1]));
    EXPECT(ms >= 0, "%g ms went by", ms);
    CU(cuStreamSynchronize(b));
    expect_same("chain", host_ints(d, n), std::vector<int>(n, want));
    CU(cuStreamQuery(a));
    CUcontext context, of_stream;
    CU(cuCtxGetCurrent(&context));
    CU(cuStreamGetCtx(a, &of_stream));
    EXPECT(context == of_stream, "the stream belongs to another context");

    CUdevice device;
    int can = 0;
    CU(cuDeviceGet(&device, 0));
#if CUDA_VERSION >= 12000
    can = 1;
#else
    CU(cuDeviceGetAttribute(&can, CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_MEM_OPS, device));
#endif
    if (can) {
        CUdeviceptr flags = device_ints(std::vector<int>{0, 0});
        CU(cuStreamWaitValue32(b, flags, 5, CU_STREAM_WAIT_VALUE_GEQ));
        CU(cuStreamWriteValue32(b, flags + 4, 9, 0));
        CU(cuStreamWriteValue32(a, flags, 6, 0));
        CU(cuStreamSynchronize(b));
        expect_same("flags", host_ints(flags, 2), std::vector<int>{6, 9});
    }
    CU(cuStreamDestroy(a));
    CU(cuStreamDestroy(b));
    CU(cuEventDestroy(e));
    return 0;
}
