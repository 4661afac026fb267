// SPDX-License-Identifier: Apache-2.0
//
// Several contexts on one device: each has its modules and its variables, and a
// thread has a stack of them, of which others may take one away.
#include <thread>

#include "driver.h"

CUcontext current() {
    CUcontext c;
    CU(cuCtxGetCurrent(&c));
    return c;
}

// A context that another thread destroys stays current, and is good for nothing.
static void destroyed_elsewhere() {
    CUcontext context = start();
    std::thread([context] { CU(cuCtxDestroy(context)); }).join();
    CUdeviceptr memory;
    CUstream stream;
    EXPECT_CU(cuMemAlloc(&memory, 64), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    EXPECT_CU(cuStreamCreate(&stream, 0), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    EXPECT_CU(cuCtxSynchronize(), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    EXPECT(current() == context, "another context is current");
    CU(cuCtxSetCurrent(nullptr));
}

// Streams of another context than the current one are given copies and waited for all the same.
static void streams_of_another() {
    const size_t SIZE = 64 << 20;
    const int COPIES = 24;
    CUcontext other = start(), own = start();
    CUstream stream, idle;
    CUdeviceptr memory;
    void *pinned;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuStreamCreate(&idle, CU_STREAM_NON_BLOCKING));
    CU(cuMemAlloc(&memory, SIZE));
    CU(cuMemHostAlloc(&pinned, SIZE + 1, CU_MEMHOSTALLOC_PORTABLE));
    volatile char *last = (char *)pinned + SIZE;
    CU(cuMemsetD8Async(memory, 1, SIZE, stream));
    auto settle = [] { // until the current context's streams are known to be idle
        size_t available, total;
        for (int i = 0; i < 3; i++) {
            CU(cuMemGetInfo(&available, &total));
            CU(cuCtxSynchronize());
        }
    };
    settle();
    auto work = [&] {
        *last = 0;
        for (int i = 0; i < COPIES; i++) CU(cuMemcpyDtoHAsync(pinned, memory, SIZE, stream));
        CU(cuMemcpyDtoHAsync((void *)last, memory, 1, stream));
    };
    CU(cuCtxPushCurrent(other));
    work();
    CU(cuCtxPopCurrent(nullptr));
    CU(cuCtxSynchronize());
    EXPECT(*last == 1, "a context has work when it has been waited for");

    CU(cuCtxPushCurrent(other));
    settle();
    CU(cuCtxPopCurrent(nullptr));
    work();
    CU(cuCtxPushCurrent(other));
    CU(cuStreamSynchronize(idle)); // after which the current context is known to have no work
    CU(cuStreamSynchronize(stream));
    EXPECT(*last == 1, "a stream of another context has work when it has been waited for");
    CU(cuCtxPopCurrent(nullptr));
    CU(cuMemFreeHost(pinned));
    CU(cuCtxDestroy(own));
    CU(cuCtxDestroy(other));
}

int main() {
    streams_of_another();
    CUcontext contexts[3], popped;
    CUmodule modules[3];
    void *pinned = nullptr;
    std::vector<char> registered(1 << 16);
    CUfunction functions[3];
    CUdeviceptr memory[3];
    int n = 32;
    for (int i = 0; i < 3; i++) {
        contexts[i] = start(); // pushes it
        EXPECT(current() == contexts[i], "the new context is not current");
        CU(cuModuleLoadData(&modules[i], kernels_ptx));
        CU(cuModuleGetFunction(&functions[i], modules[i], "times"));
        CUdeviceptr factor;
        int value = 10 + i;
        CU(cuModuleGetGlobal(&factor, nullptr, modules[i], "factor"));
        CU(cuMemcpyHtoD(factor, &value, sizeof value));
        memory[i] = device_ints(std::vector<int>(n, 2));
    }
    CU(cuMemHostAlloc(&pinned, 4096, 0));
    CUresult registration = cuMemHostRegister(registered.data(), registered.size(), 0);
    EXPECT(registration == CUDA_SUCCESS || registration == CUDA_ERROR_NOT_SUPPORTED, "registration gives %d", registration); // not in virtual machines
    CUstream stream;
    CUarray array;
    CUDA_ARRAY_DESCRIPTOR line = {16, 0, CU_AD_FORMAT_FLOAT, 1};
    CUevent event;
    CU(cuStreamCreate(&stream, 0));
    CU(cuEventCreate(&event, CU_EVENT_DEFAULT));
    CU(cuArrayCreate(&array, &line));
    CU(cuMemsetD32Async(memory[2], 2, n, stream));
    EXPECT(contexts[0] != contexts[1] && contexts[1] != contexts[2], "contexts are the same");
    for (int i : {1, 0, 2, 1}) {
        CU(cuCtxPushCurrent(contexts[i]));
        void *args[] = {&memory[i], &n};
        CU(cuLaunchKernel(functions[i], 1, 1, 1, 32, 1, 1, 0, nullptr, args, nullptr));
        CU(cuCtxSynchronize());
        CU(cuCtxPopCurrent(&popped));
        EXPECT(popped == contexts[i], "popped another context");
    }
    const int want[] = {20, 2 * 11 * 11, 24};
    for (int i = 2; i >= 0; i--) {
        EXPECT(current() == contexts[i], "the stack of contexts is in disorder");
        expect_same("memory", host_ints(memory[i], n), std::vector<int>(n, want[i]));
        CUdevice device = -1;
        CU(cuCtxGetDevice(&device));
        EXPECT(device == 0, "device is %d", device);
        unsigned version = 0;
        CU(cuCtxGetApiVersion(contexts[i], &version));
        EXPECT(version >= 3020, "version is %u", version);
        CU(cuCtxPopCurrent(&popped));
    }
    EXPECT(current() == nullptr, "a context is left");
    CUdeviceptr p;
    EXPECT_CU(cuMemAlloc(&p, 16), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_CU(cuCtxPopCurrent(&popped), CUDA_ERROR_INVALID_CONTEXT);
    // Memory knows its context: Numba frees what it has left once it has popped all contexts.
    CU(cuMemFree(memory[0]));
    CU(cuMemFreeHost(pinned));
    if (registration == CUDA_SUCCESS) CU(cuMemHostUnregister(registered.data()));
    // So do streams, events and arrays.
    CU(cuEventRecord(event, stream));
    CU(cuEventSynchronize(event));
    CU(cuEventQuery(event));
    CU(cuEventDestroy(event));
    CU(cuStreamSynchronize(stream));
    CU(cuStreamQuery(stream));
    CU(cuStreamDestroy(stream));
    CU(cuArrayDestroy(array));
    EXPECT_CU(cuStreamSynchronize(nullptr), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT(current() == nullptr, "a call has left a context current");
    CU(cuCtxSetCurrent(contexts[0]));
    EXPECT_CU(cuMemFree(memory[0]), CUDA_ERROR_INVALID_VALUE);
    EXPECT_CU(cuMemHostUnregister(registered.data()), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    // Destroying one leaves the others.
    CU(cuCtxDestroy(contexts[1]));
    CU(cuCtxSetCurrent(contexts[2]));
    expect_same("after a context is gone", host_ints(memory[2], n), std::vector<int>(n, 24));
    CU(cuCtxDestroy(contexts[2]));
    CU(cuCtxDestroy(contexts[0]));
    destroyed_elsewhere();
    return 0;
}
