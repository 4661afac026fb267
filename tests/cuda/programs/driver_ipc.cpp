// SPDX-License-Identifier: Apache-2.0
//
// Memory and events of one process used by another: handles of allocations, events, physical memory and pools
// as files. The second process is forked before either has touched the GPU.
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

static const int N = 5000;

static std::vector<int> numbers(int by) {
    std::vector<int> v(N);
    for (int i = 0; i < N; i++) v[i] = by * i;
    return v;
}

// triple multiplies in place.
static void triple(CUdeviceptr v, CUstream stream) {
    static CUmodule module;
    static CUfunction scale;
    if (!module) {
        CU(cuModuleLoadData(&module, kernels_ptx));
        CU(cuModuleGetFunction(&scale, module, "scale"));
    }
    int n = N, by = 3;
    void *params[] = {&v, &n, &by};
    CU(cuLaunchKernel(scale, (N + 127) / 128, 1, 1, 128, 1, 1, 0, stream, params, nullptr));
}

static CUmemAllocationProp shareable() {
    CUmemAllocationProp prop = {};
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    return prop;
}

static CUdeviceptr map(CUmemGenericAllocationHandle h, size_t size) {
    CUdeviceptr p;
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    CU(cuMemAddressReserve(&p, size, 0, 0, 0));
    CU(cuMemMap(p, size, 0, h, 0));
    CU(cuMemSetAccess(p, size, &access, 1));
    return p;
}

static void unmap(CUdeviceptr p, size_t size) {
    CU(cuMemUnmap(p, size));
    CU(cuMemAddressFree(p, size));
}

// giver has the memory; taker is the other.
static void giver() {
    // An allocation, and an event that says when it is ready.
    CUipcMemHandle memory, again;
    CUdeviceptr p = device_ints(numbers(1));
    CU(cuIpcGetMemHandle(&memory, p));
    CU(cuIpcGetMemHandle(&again, p));
    EXPECT(!memcmp(&memory, &again, sizeof memory), "two handles of one allocation");
    CUdeviceptr own;
    EXPECT(cuIpcOpenMemHandle(&own, memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) != CUDA_SUCCESS, "a process opens its own memory");
    CUipcEventHandle handle;
    CUevent event, plain;
    CU(cuEventCreate(&plain, CU_EVENT_DISABLE_TIMING));
    EXPECT(cuIpcGetEventHandle(&handle, plain) != CUDA_SUCCESS, "an ordinary event is given away");
    CU(cuEventCreate(&event, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
    CU(cuIpcGetEventHandle(&handle, event));
    CUstream stream;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    triple(p, stream);
    CU(cuEventRecord(event, stream));
    send_bytes(&memory, sizeof memory);
    send_bytes(&handle, sizeof handle);
    await_turn();
    CU(cuEventSynchronize(event)); // recorded by the other meanwhile
    expect_same("after the other", host_ints(p, N), numbers(9));
    turn();
    await_turn();
    CU(cuMemFree(p));
    CU(cuEventDestroy(event));
    CU(cuEventDestroy(plain));

    int files;
    CU(cuDeviceGetAttribute(&files, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, 0));
    send_bytes(&files, sizeof files);
    if (files) {
        CUmemAllocationProp prop = shareable();
        size_t size;
        CU(cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
        CUmemGenericAllocationHandle block, secret;
        CU(cuMemCreate(&block, size, &prop, 0));
        p = map(block, size);
        CU(cuMemcpyHtoD(p, numbers(5).data(), N * sizeof(int)));
        CU(cuCtxSynchronize()); // a small copy may come later than its call's return, for others than this stream
        int fd = -1;
        CU(cuMemExportToShareableHandle(&fd, block, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
        EXPECT(fd >= 0, "no file");
        send_bytes(&size, sizeof size, fd);
        close(fd);
        prop.requestedHandleTypes = (CUmemAllocationHandleType)0;
        CU(cuMemCreate(&secret, size, &prop, 0));
        EXPECT(cuMemExportToShareableHandle(&fd, secret, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) != CUDA_SUCCESS,
               "memory is given away that was made to be kept");
        CU(cuMemRelease(secret));
        await_turn();
        expect_same("the block after the other", host_ints(p, N), numbers(15));
        unmap(p, size);
        CU(cuMemRelease(block));
    }

    int pools;
    CU(cuDeviceGetAttribute(&pools, CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES, 0));
    pools &= CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    send_bytes(&pools, sizeof pools);
    if (pools) {
        CUmemPoolProps props = {};
        props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
        props.handleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
        props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        CUmemoryPool pool;
        CU(cuMemPoolCreate(&pool, &props));
        CU(cuMemAllocFromPoolAsync(&p, N * sizeof(int), pool, stream));
        CU(cuMemcpyHtoDAsync(p, numbers(7).data(), N * sizeof(int), stream));
        CU(cuStreamSynchronize(stream));
        int fd;
        CUmemPoolPtrExportData data;
        CU(cuMemPoolExportToShareableHandle(&fd, pool, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
        CU(cuMemPoolExportPointer(&data, p));
        send_bytes(&data, sizeof data, fd);
        close(fd);
        await_turn();
        expect_same("the pool's memory after the other", host_ints(p, N), numbers(21));
        CU(cuMemFreeAsync(p, stream));
        CU(cuStreamSynchronize(stream));
        CU(cuMemPoolDestroy(pool));
    }
    CU(cuStreamDestroy(stream));
}

static void taker() {
    auto memory = receive<CUipcMemHandle>();
    auto handle = receive<CUipcEventHandle>();
    CUdeviceptr p, second;
    CUevent event;
    CUstream stream;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuIpcOpenMemHandle(&p, memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
    CU(cuIpcOpenMemHandle(&second, memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
    EXPECT(p == second, "one handle gives two addresses");
    CU(cuIpcCloseMemHandle(second));
    EXPECT(cuMemFree(p) != CUDA_SUCCESS, "another process's memory can be freed");
    CU(cuIpcOpenEventHandle(&event, handle));
    CU(cuStreamWaitEvent(stream, event, 0));
    triple(p, stream);
    CU(cuEventRecord(event, stream));
    turn();
    await_turn();
    expect_same("what the other has tripled too", host_ints(p, N), numbers(9));
    CU(cuEventQuery(event));
    CU(cuIpcCloseMemHandle(p));
    EXPECT(cuIpcCloseMemHandle(p) != CUDA_SUCCESS, "memory can be closed twice");
    CU(cuEventDestroy(event));
    turn();

    if (receive<int>()) {
        int fd;
        auto size = receive<size_t>(&fd);
        EXPECT(fd >= 0, "no file came");
        CUmemGenericAllocationHandle block;
        CU(cuMemImportFromShareableHandle(&block, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
        close(fd);
        p = map(block, size);
        CU(cuMemRelease(block));
        expect_same("the other's block", host_ints(p, N), numbers(5));
        triple(p, stream);
        CU(cuStreamSynchronize(stream));
        unmap(p, size);
        turn();
        FILE *wrong = tmpfile();
        EXPECT(cuMemImportFromShareableHandle(&block, (void *)(intptr_t)fileno(wrong), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) != CUDA_SUCCESS,
               "an empty file is memory");
        fclose(wrong);
    }

    if (receive<int>()) {
        int fd;
        auto data = receive<CUmemPoolPtrExportData>(&fd);
        CUmemoryPool pool;
        CU(cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
        close(fd);
        CU(cuMemPoolImportPointer(&p, pool, &data));
        expect_same("the other's memory of a pool", host_ints(p, N), numbers(7));
        CUdeviceptr fresh;
        EXPECT(cuMemAllocFromPoolAsync(&fresh, 256, pool, stream) != CUDA_SUCCESS, "another process's pool gives memory");
        triple(p, stream);
        CU(cuMemFreeAsync(p, stream));
        CU(cuStreamSynchronize(stream));
        turn();
        CU(cuMemPoolDestroy(pool));
    }
    CU(cuStreamDestroy(stream));
}

int main() {
    int ends[2];
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no sockets");
    pid_t child = fork();
    EXPECT(child >= 0, "no second process");
    peer = ends[child == 0];
    close(ends[child != 0]);
    CUcontext context = start();
    if (child == 0) {
        taker();
        CU(cuCtxDestroy(context));
        return 0;
    }
    giver();
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status), "the other process has crashed");
    CU(cuCtxDestroy(context));
    return WEXITSTATUS(status);
}
