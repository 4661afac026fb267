// SPDX-License-Identifier: Apache-2.0
//
// Registration of memory that two processes share: the GPU works on what both see.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

__global__ void add(int *v, int n, int by) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] += by;
}

static const int n = 50000;
static const size_t bytes = 65536 * 4;

static bool all(const volatile int *v, int want) {
    for (int i = 0; i < n; i++)
        if (v[i] != want) return false;
    return true;
}

// shared tries memory of a file, which another process has too.
static void shared(int fd, const char *what, bool may_fail) {
    int *v = (int *)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT(v != MAP_FAILED, "%s: no memory", what);
    int go[2], done[2];
    EXPECT(pipe(go) == 0 && pipe(done) == 0, "no pipes");
    pid_t child = fork();
    if (child == 0) { // sees 5, makes it 50
        char c;
        close(go[1]); // so that it ends with its parent
        close(done[0]);
        if (read(go[0], &c, 1) != 1 || !all(v, 5)) _exit(1);
        for (int i = 0; i < n; i++) v[i] = 50;
        _exit(write(done[1], "x", 1) == 1 ? 0 : 2);
    }
    for (int i = 0; i < n; i++) v[i] = 2;
    cudaError_t error = cudaHostRegister(v, n * sizeof(int), cudaHostRegisterMapped);
    if (error == cudaErrorNotSupported && may_fail) {
        cudaGetLastError();
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        munmap(v, bytes);
        return;
    }
    if (error == cudaErrorNotSupported) {
        kill(child, SIGKILL);
        SKIP("memory that processes share cannot be registered");
    }
    CHECK(error);
    int *device;
    CHECK(cudaHostGetDevicePointer((void **)&device, v, 0));
    add<<<(n + 127) / 128, 128>>>(device, n, 3);
    launched();
    char c;
    EXPECT(write(go[1], "x", 1) == 1 && read(done[0], &c, 1) == 1, "%s: the other process does not see what the GPU wrote", what);
    int *copy = device_array<int>(n);
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    CHECK(cudaMemcpyAsync(copy, v, n * sizeof(int), cudaMemcpyHostToDevice, s));
    add<<<(n + 127) / 128, 128, 0, s>>>(copy, n, 1);
    CHECK(cudaMemcpyAsync(v, copy, n * sizeof(int), cudaMemcpyDeviceToHost, s));
    CHECK(cudaStreamSynchronize(s));
    EXPECT(all(v, 51), "%s: the GPU does not see what the other process wrote: %d", what, v[0]);
    CHECK(cudaHostUnregister(v));
    EXPECT(all(v, 51), "%s: lost with the registration", what);
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0, "%s: the other process ends with %#x", what, status);
    CHECK(cudaFree(copy));
    CHECK(cudaStreamDestroy(s));
    munmap(v, bytes);
    for (int f : {go[0], go[1], done[0], done[1]}) close(f);
}

static char path[] = "/dev/shm/cuda-test-XXXXXX";

int main() {
    int able;
    CHECK(cudaDeviceGetAttribute(&able, cudaDevAttrHostRegisterSupported, 0));
    if (!able) SKIP("memory of the program's own cannot be registered");
    int fd = mkstemp(path);
    atexit([] { unlink(path); }); // however the program ends
    EXPECT(fd >= 0 && ftruncate(fd, bytes) == 0, "no file in /dev/shm");
    shared(fd, "a file", false);
    unlink(path);
    shared(fd, "a file without a name", false);
    close(fd);
    // Memory without a file of its own need not be possible, where it is.
    fd = open("/dev/zero", O_RDWR);
    shared(fd, "memory of no file", true);
    close(fd);
    return 0;
}
