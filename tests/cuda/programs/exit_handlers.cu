// SPDX-License-Identifier: Apache-2.0
//
// CUDA at exit: handlers that were registered after its first use may use it. Those from before, and static objects, are
// told that it is gone.
#include <unistd.h>

#include "check.h"

static int *memory;

static __global__ void set(int *v) { *v = 7; }

// wrong ends a program that is ending already, with 1.
static void wrong(const char *who, const char *what, int got) {
    fprintf(stderr, "%s: %s: got %d\n", who, what, got);
    fflush(stderr);
    _exit(1);
}

static void alive(const char *who) {
    void *p;
    int v = 0;
    if (int r = cudaMalloc(&p, 64)) wrong(who, "cudaMalloc", r);
    if (int r = cudaFree(p)) wrong(who, "cudaFree", r);
    set<<<1, 1>>>(memory);
    if (int r = cudaMemcpy(&v, memory, sizeof v, cudaMemcpyDeviceToHost)) wrong(who, "cudaMemcpy", r);
    if (v != 7) wrong(who, "what the kernel has set", v);
}

static void gone(const char *who) {
    void *p = nullptr;
    int v, device;
    const int want = cudaErrorCudartUnloading;
    int r = cudaMalloc(&p, 64);
    if (r != want) wrong(who, "cudaMalloc", r);
    if ((r = cudaMemcpy(&v, memory, sizeof v, cudaMemcpyDeviceToHost)) != want) wrong(who, "cudaMemcpy", r);
    if ((r = cudaFree(memory)) != want) wrong(who, "cudaFree", r);
    if ((r = cudaDeviceSynchronize()) != want) wrong(who, "cudaDeviceSynchronize", r);
    if ((r = cudaGetDevice(&device)) != want) wrong(who, "cudaGetDevice", r);
}

static struct Static {
    ~Static() { gone("a static object"); }
} object;

int main() {
    atexit([] { gone("a handler from before"); });
    CHECK(cudaMalloc(&memory, sizeof *memory));
    atexit([] { alive("a handler from after"); });
    return 0;
}
