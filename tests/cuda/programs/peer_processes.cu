// SPDX-License-Identifier: Apache-2.0
//
// Two processes, each on a GPU of its own, that write to each other's memory as NCCL's ranks do: through physical
// memory passed as a file, with words that their running kernels wait for, and through handles of CUDA IPC.
// gpus: 2
// link: -lcuda
#include <cuda.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "check.h"

static const int N = 1 << 16, ROUNDS = 8;

static int rank, peer; // which GPU is this process's; a socket to the other

// exchange sends what the other receives, and its file if there is one.
template <class T> static T exchange(const T &mine, int fd = -1, int *got = nullptr) {
    union {
        cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } out = {}, in = {};
    T theirs;
    iovec v = {const_cast<T *>(&mine), sizeof mine}, w = {&theirs, sizeof theirs};
    msghdr m = {}, r = {};
    m.msg_iov = &v;
    m.msg_iovlen = r.msg_iovlen = 1;
    if (fd >= 0) {
        m.msg_control = &out;
        m.msg_controllen = sizeof out;
        out.head.cmsg_level = SOL_SOCKET;
        out.head.cmsg_type = SCM_RIGHTS;
        out.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&out.head), &fd, sizeof fd);
    }
    EXPECT(sendmsg(peer, &m, 0) == (ssize_t)sizeof mine, "the other process is gone");
    r.msg_iov = &w;
    r.msg_control = &in;
    r.msg_controllen = sizeof in;
    EXPECT(recvmsg(peer, &r, MSG_WAITALL) == (ssize_t)sizeof theirs, "the other process is gone");
    if (got) {
        EXPECT(CMSG_FIRSTHDR(&r), "no file came");
        memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&r)), sizeof *got);
    }
    return theirs;
}

static void meet() { exchange('x'); }

// What each GPU has for the other to write to.
struct Mailbox {
    int data[N];
    int posted, taken; // rounds
};

// rounds fills the other's mailbox, and takes what the other has put into its own, one round after the other.
__global__ void rounds(Mailbox *mine, Mailbox *theirs, int rank, long long *sum) {
    __shared__ long long part;
    for (int round = 1; round <= ROUNDS; round++) {
        if (threadIdx.x == 0) {
            part = 0;
            while (*(volatile int *)&mine->taken < round - 1) { // the other has read what came before
            }
            __threadfence_system();
        }
        __syncthreads();
        for (int i = threadIdx.x; i < N; i += blockDim.x) theirs->data[i] = (rank + 1) * (i + round);
        __threadfence_system();
        __syncthreads();
        if (threadIdx.x == 0) {
            *(volatile int *)&theirs->posted = round;
            while (*(volatile int *)&mine->posted < round) {
            }
            __threadfence_system();
        }
        __syncthreads();
        long long own = 0;
        for (int i = threadIdx.x; i < N; i += blockDim.x) own += *(volatile int *)&mine->data[i];
        atomicAdd((unsigned long long *)&part, (unsigned long long)own);
        __threadfence_system();
        __syncthreads();
        if (threadIdx.x == 0) {
            sum[round - 1] = part;
            *(volatile int *)&theirs->taken = round;
        }
        __syncthreads();
    }
}

__global__ void negate(int *v, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] = -v[i];
}

static CUdeviceptr map(CUmemGenericAllocationHandle h, size_t size) {
    CUdeviceptr p;
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.location.id = rank;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    CU(cuMemAddressReserve(&p, size, 0, 0, 0));
    CU(cuMemMap(p, size, 0, h, 0));
    CU(cuMemSetAccess(p, size, &access, 1));
    return p;
}

static void physical_memory() {
    int supported = 0;
    CU(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, rank));
    if (exchange(supported) + supported < 2) return;
    CUmemAllocationProp prop = {};
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    prop.location.id = rank;
    size_t unit = 0;
    CU(cuMemGetAllocationGranularity(&unit, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    size_t size = (sizeof(Mailbox) + unit - 1) / unit * unit;
    CUmemGenericAllocationHandle own, others;
    CU(cuMemCreate(&own, size, &prop, 0));
    CUdeviceptr mine = map(own, size);
    CU(cuMemsetD8(mine, 0, size));
    CHECK(cudaDeviceSynchronize());

    // NCCL exports in a thread of its own, which has only made the device current.
    int given = -1, got = -1;
    std::thread([&] {
        CHECK(cudaSetDevice(rank));
        CU(cuMemExportToShareableHandle(&given, own, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    }).join();
    size_t its = exchange(size, given, &got);
    close(given);
    EXPECT(its == size, "the other's memory has %zu bytes, not %zu", its, size);
    CU(cuMemImportFromShareableHandle(&others, (void *)(intptr_t)got, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    close(got);
    CUdeviceptr theirs = map(others, size);
    size_t range = 0;
    CU(cuMemGetAddressRange(nullptr, &range, theirs));
    EXPECT(range == size, "the other's memory is a range of %zu bytes, not %zu", range, size);
    CUmemAllocationProp told = {};
    CU(cuMemGetAllocationPropertiesFromHandle(&told, others));
    EXPECT(told.location.type == CU_MEM_LOCATION_TYPE_DEVICE && told.location.id == 1 - rank, "the other's memory is on GPU %d", told.location.id);

    long long *sum, sums[ROUNDS];
    CHECK(cudaMalloc(&sum, sizeof sums));
    rounds<<<1, 256>>>((Mailbox *)mine, (Mailbox *)theirs, rank, sum);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(sums, sum, sizeof sums, cudaMemcpyDeviceToHost));
    for (int round = 1; round <= ROUNDS; round++) {
        long long want = (long long)(2 - rank) * ((long long)N * (N - 1) / 2 + (long long)N * round);
        EXPECT(sums[round - 1] == want, "the sum of round %d is %lld, want %lld", round, sums[round - 1], want);
    }
    meet(); // what the other writes to stays until it is done
    for (CUdeviceptr p : {mine, theirs}) {
        CU(cuMemUnmap(p, size));
        CU(cuMemAddressFree(p, size));
    }
    CU(cuMemRelease(own));
    CU(cuMemRelease(others));
    CHECK(cudaFree(sum));
}

static void ipc() {
    std::vector<int> host(N), back(N);
    for (int i = 0; i < N; i++) host[i] = 2 * i + rank;
    int *mine, *theirs;
    CHECK(cudaMalloc(&mine, N * sizeof(int)));
    CHECK(cudaMemcpy(mine, host.data(), N * sizeof(int), cudaMemcpyHostToDevice));
    cudaIpcMemHandle_t handle;
    CHECK(cudaIpcGetMemHandle(&handle, mine));
    handle = exchange(handle);
    CHECK(cudaIpcOpenMemHandle((void **)&theirs, handle, cudaIpcMemLazyEnablePeerAccess));
    negate<<<(N + 255) / 256, 256>>>(theirs, N);
    CHECK(cudaDeviceSynchronize());
    meet();
    CHECK(cudaMemcpy(back.data(), mine, N * sizeof(int), cudaMemcpyDeviceToHost));
    for (int i = 0; i < N; i++) EXPECT(back[i] == -host[i], "element %d is %d, want %d", i, back[i], -host[i]);
    CHECK(cudaIpcCloseMemHandle(theirs));
    meet();
    CHECK(cudaFree(mine));
}

int main() {
    int ends[2], devices = 0, reach = 0, back = 0;
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no sockets");
    pid_t child = fork(); // before either has touched a GPU
    EXPECT(child >= 0, "no second process");
    rank = child == 0;
    peer = ends[rank];
    close(ends[1 - rank]);
    CHECK(cudaGetDeviceCount(&devices));
    if (devices >= 2) {
        CHECK(cudaDeviceCanAccessPeer(&reach, 0, 1));
        CHECK(cudaDeviceCanAccessPeer(&back, 1, 0));
    }
    if (reach && back) {
        CHECK(cudaSetDevice(rank));
        CHECK(cudaFree(nullptr));
        physical_memory();
        ipc();
    } else if (rank == 0) {
        printf("skipped: needs 2 GPUs that reach each other, there is %d\n", devices);
    }
    if (rank == 1) return 0;
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status), "the other process has crashed");
    return WEXITSTATUS(status) ? WEXITSTATUS(status) : reach && back ? 0 : 77;
}
