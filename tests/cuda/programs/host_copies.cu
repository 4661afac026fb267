// SPDX-License-Identifier: Apache-2.0
//
// Copies between two places of the host that are pinned, managed or registered come after what is before them in their
// stream. Between managed memory, the thread that asks for one goes on: what the stream waits for may be its next step.
#include "check.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <thread>

enum { PINNED, MANAGED, REGISTERED };
static const char *const names[] = {"pinned", "managed", "registered"};

const int N = 4096, PITCH = 64, WIDTH = 48, ROWS = N / PITCH;

__global__ void wait_for(volatile int *go, long long patience) {
    long long start = clock64();
    while (!*go && clock64() - start < patience) {
    }
}

// registers says whether memory of the program can be registered: not in a virtual machine.
static bool registers() {
    alignas(4096) static char page[4096];
    cudaError_t r = cudaHostRegister(page, sizeof page, cudaHostRegisterDefault);
    if (r == cudaErrorNotSupported) return cudaGetLastError(), false;
    CHECK(r);
    CHECK(cudaHostUnregister(page));
    return true;
}

static char *place(int kind) {
    char *p = nullptr;
    if (kind == PINNED) CHECK(cudaHostAlloc((void **)&p, N, cudaHostAllocDefault));
    if (kind == MANAGED) CHECK(cudaMallocManaged((void **)&p, N));
    if (kind == REGISTERED) {
        EXPECT(!posix_memalign((void **)&p, 4096, N), "no memory");
        CHECK(cudaHostRegister(p, N, cudaHostRegisterDefault));
    }
    return p;
}

static void free_place(int kind, char *p) {
    if (kind == REGISTERED) {
        CHECK(cudaHostUnregister(p));
        free(p);
    } else if (kind == MANAGED) {
        CHECK(cudaFree(p));
    } else {
        CHECK(cudaFreeHost(p));
    }
}

static bool all(const char *p, char want) {
    for (int i = 0; i < N; i++)
        if (((volatile const char *)p)[i] != want) return false;
    return true;
}

int main() {
    int concurrent, *go;
    CHECK(cudaDeviceGetAttribute(&concurrent, cudaDevAttrConcurrentManagedAccess, 0));
    CHECK(cudaHostAlloc((void **)&go, sizeof *go, cudaHostAllocDefault));
    cudaStream_t stream;
    CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    int kinds = registers() ? 3 : 2;
    for (int from = PINNED; from < kinds; from++)
        for (int to = PINNED; to < kinds; to++)
            for (int rows = 0; rows < 2; rows++) {
                if (!concurrent && (from == MANAGED || to == MANAGED)) continue;
                bool turn = from == MANAGED && to == MANAGED;
                char *src = place(from), *dst = place(to);
                memset(src, 1, N);
                memset(dst, 0, N);
                *(volatile int *)go = 0;
                wait_for<<<1, 1, 0, stream>>>(go, 60000000000ll);
                CHECK(cudaGetLastError());
                std::thread other([=] {
                    usleep(50000);
                    if (!turn) *(volatile int *)go = 1;
                });
                if (rows)
                    CHECK(cudaMemcpy2DAsync(dst, PITCH, src, PITCH, WIDTH, ROWS, cudaMemcpyDefault, stream));
                else
                    CHECK(cudaMemcpyAsync(dst, src, N, cudaMemcpyDefault, stream));
                if (turn) {
                    EXPECT(all(dst, 0), "%s to %s: copied before its turn", names[from], names[to]);
                    memset(src, 2, N);
                    *(volatile int *)go = 1;
                }
                CHECK(cudaStreamSynchronize(stream));
                other.join();
                for (int i = 0; i < N; i++) {
                    int want = rows && i % PITCH >= WIDTH ? 0 : turn ? 2 : 1;
                    EXPECT(dst[i] == want, "%s to %s, rows %d: byte %d is %d", names[from], names[to], rows, i, dst[i]);
                }
                memset(src, 3, N);
                CHECK(cudaMemcpy(dst, src, N, cudaMemcpyDefault));
                EXPECT(all(dst, 3), "%s to %s: not there when a blocking copy returns", names[from], names[to]);
                free_place(from, src);
                free_place(to, dst);
            }
    CHECK(cudaStreamDestroy(stream));
    CHECK(cudaFreeHost(go));
    return 0;
}
