// SPDX-License-Identifier: Apache-2.0
//
// Memory pools of the host between processes: what one process allocates, the other and its GPU read and write, at
// whatever address, also after the first has freed or ended its own. The second process is forked before either has
// touched the GPU.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

#if CUDA_VERSION >= 11020
enum { PINNED = 1, NUMA = 3, POSIX_FILE = 1, HOST_POOLS = 144, HOST_NUMA_POOLS = 142 };
static const int N = 100000;
static const size_t BYTES = N * sizeof(int);
static CUstream s;
static CUfunction scale;

static CUmemPoolProps props() {
    CUmemPoolProps p = {};
    p.allocType = (CUmemAllocationType)PINNED;
    p.location.type = (CUmemLocationType)NUMA;
    p.handleTypes = (CUmemAllocationHandleType)POSIX_FILE;
    return p;
}

static bool able() {
    int version, host = 0, node = 0;
    CU(cuDriverGetVersion(&version));
    cuDeviceGetAttribute(&host, (CUdevice_attribute)HOST_POOLS, 0);
    cuDeviceGetAttribute(&node, (CUdevice_attribute)HOST_NUMA_POOLS, 0);
    if (version < 13000 || !host || !node) return false;
    CUmemoryPool pool;
    CUmemPoolProps p = props();
    CUresult r = cuMemPoolCreate(&pool, &p); // a vGPU of another machine has none
    if (r != CUDA_ERROR_NOT_SUPPORTED) CU(r);
    if (r == CUDA_SUCCESS) CU(cuMemPoolDestroy(pool));
    return r == CUDA_SUCCESS;
}

static void begin() {
    CUmodule module;
    start();
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
}

static void times(CUdeviceptr v, int by) {
    int n = N;
    void *args[] = {&v, &n, &by};
    CU(cuLaunchKernel(scale, (N + 255) / 256, 1, 1, 256, 1, 1, 0, s, args, nullptr));
    CU(cuStreamSynchronize(s));
}

// let_in has the GPU reach a pool's memory. Each process says so for itself.
static void let_in(CUmemoryPool pool) {
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    CU(cuMemPoolSetAccess(pool, &access, 1));
}

static CUdeviceptr allocate(CUmemoryPool pool, size_t bytes = BYTES) {
    CUdeviceptr p;
    CU(cuMemAllocFromPoolAsync(&p, bytes, pool, s));
    CU(cuStreamSynchronize(s));
    return p;
}

static unsigned long long reserved(CUmemoryPool pool) {
    unsigned long long v;
    CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &v));
    return v;
}

static void same(const char *where, CUdeviceptr v, int first, int by) {
    for (int i = 0; i < N; i++) EXPECT(((int *)v)[i] == first + by * i, "%s: element %d is %d, want %d", where, i, ((int *)v)[i], first + by * i);
}

// copies has what is shared be pinned memory to copies.
static void copies(CUdeviceptr v) {
    std::vector<int> was((int *)v, (int *)v + N);
    CUdeviceptr d;
    CU(cuMemAlloc(&d, BYTES));
    CU(cuMemcpyAsync(d, v, BYTES, s));
    CU(cuMemsetD32Async(v, 9, N, s));
    CU(cuMemcpyDtoHAsync((void *)(v + 4), d + 4, BYTES - 4, s));
    CU(cuStreamSynchronize(s));
    EXPECT(((int *)v)[0] == 9, "element 0 is %d after a memset", ((int *)v)[0]);
    ((int *)v)[0] = was[0];
    expect_same("copies", std::vector<int>((int *)v, (int *)v + N), was);
    CUmemorytype type;
    CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, v));
    EXPECT(type == CU_MEMORYTYPE_HOST, "the memory is of type %d", type);
    CU(cuMemFree(d));
}

static void giver() {
    begin();
    CUmemoryPool pool, plain;
    CUmemPoolProps p = props();
    CU(cuMemPoolCreate(&pool, &p));
    let_in(pool);
    p.handleTypes = CU_MEM_HANDLE_TYPE_NONE;
    CU(cuMemPoolCreate(&plain, &p));
    int file = -1;
    EXPECT(cuMemPoolExportToShareableHandle(&file, plain, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) != CUDA_SUCCESS, "a private pool is exported");
    CU(cuMemPoolDestroy(plain));

    CUdeviceptr other = allocate(pool, 100), v = allocate(pool);
    for (int i = 0; i < N; i++) ((int *)v)[i] = i;
    times(v, 2);
    CU(cuMemPoolExportToShareableHandle(&file, pool, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CUmemPoolPtrExportData data, wrong;
    EXPECT(cuMemPoolExportPointer(&data, v + 4) != CUDA_SUCCESS, "the middle of memory is exported");
    CU(cuMemPoolExportPointer(&data, v));
    send_bytes("f", 1, file);
    close(file);
    send_bytes(&data, sizeof data);
    await_turn(); // the taker has multiplied by 5, and written the last element
    EXPECT(((int *)v)[N - 1] == -7, "the last element is %d", ((int *)v)[N - 1]);
    ((int *)v)[N - 1] = 10 * (N - 1);
    same("giver", v, 0, 10);
    copies(v);
    times(v, 3);
    turn(); // both GPUs have the same memory
    await_turn();
    CU(cuMemFreeAsync(v, s));
    CU(cuMemFreeAsync(other, s));
    CU(cuStreamSynchronize(s));
    CU(cuMemPoolTrimTo(pool, 0));
    EXPECT(reserved(pool) == 0, "%llu bytes are left", reserved(pool));

    // Memory that comes again, and a pool that ends before its taker does.
    for (int round = 0; round < 3; round++) {
        v = allocate(pool);
        for (int i = 0; i < N; i++) ((int *)v)[i] = round - i;
        CU(cuMemPoolExportPointer(&data, v));
        send_bytes(&data, sizeof data);
        await_turn();
        if (round < 2) CU(cuMemFreeAsync(v, s));
    }
    wrong = data;
    memset(&wrong, 0xff, sizeof wrong);
    send_bytes(&wrong, sizeof wrong);
    await_turn();
    CU(cuMemPoolDestroy(pool));
    turn();
}

static void taker() {
    begin();
    int file = -1;
    receive<char>(&file);
    CUmemPoolPtrExportData data = receive<CUmemPoolPtrExportData>();
    CUmemoryPool pool;
    CU(cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)file, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    let_in(pool);
    EXPECT(ftruncate(file, 0) != 0, "who has the pool's file can take its memory from under others");
    char head[4096] = {}; // to be tried without its seals, where it is a file that can be read
    if (pread(file, head, sizeof head, 0) < 0) memset(head, 1, sizeof head);
    close(file);
    CUdeviceptr v, again;
    CU(cuMemPoolImportPointer(&v, pool, &data));
    EXPECT_CU(cuMemPoolImportPointer(&again, pool, &data), CUDA_ERROR_ALREADY_MAPPED);
    EXPECT(cuMemAllocFromPoolAsync(&again, 100, pool, s) != CUDA_SUCCESS, "an imported pool allocates");
    same("taker", v, 0, 2);
    times(v, 5);
    ((int *)v)[N - 1] = -7;
    turn();
    await_turn();
    same("taker after the giver's kernel", v, 0, 30);
    copies(v);
    CU(cuMemFreeAsync(v, s));
    CU(cuStreamSynchronize(s));
    EXPECT(cuMemFreeAsync(v, s) != CUDA_SUCCESS, "freed twice");
    turn();
    for (int round = 0; round < 3; round++) {
        data = receive<CUmemPoolPtrExportData>();
        CU(cuMemPoolImportPointer(&v, pool, &data));
        same("taker, again", v, round, -1);
        if (round < 2) CU(cuMemFree(v));
        turn();
    }
    data = receive<CUmemPoolPtrExportData>();
    EXPECT(cuMemPoolImportPointer(&again, pool, &data) != CUDA_SUCCESS, "nonsense is memory");
    turn();
    await_turn();
    same("taker, alone", v, 2, -1);
    times(v, 2);
    same("taker, alone", v, 4, -2);
    CU(cuMemFreeAsync(v, s));
    CU(cuStreamSynchronize(s));
    cuMemPoolDestroy(pool); // driver 580 refuses that here

    // A file of the program's own is no pool.
    int fake = (int)syscall(SYS_memfd_create, "fake", 0u);
    EXPECT(pwrite(fake, head, sizeof head, 0) == sizeof head && ftruncate(fake, 1 << 20) == 0, "no file");
    EXPECT(cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)fake, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) != CUDA_SUCCESS,
           "any file is a pool");
    EXPECT(cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)-1, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) != CUDA_SUCCESS,
           "no file is a pool");
}

int main() {
    int ends[2];
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no socket");
    pid_t child = fork();
    EXPECT(child >= 0, "no child");
    peer = ends[child == 0];
    close(ends[child != 0]);
    CU(cuInit(0));
    bool can = able();
    if (child == 0) {
        if (can) taker();
        _exit(0);
    }
    if (can) giver();
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0, "the other process ends with %#x", status);
    if (!can) SKIP("the device has no memory pools of the host");
    return 0;
}
#else
int main() { SKIP("CUDA is older than memory pools"); }
#endif
