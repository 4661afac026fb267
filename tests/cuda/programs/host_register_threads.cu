// SPDX-License-Identifier: Apache-2.0
//
// Registration of memory that other threads and processes use at the same time: writes to its neighbours, and to
// itself, are not lost, and a child of fork has its own.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "check.h"

__global__ void increment(int *v, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i]++;
}

// A buffer in the middle of pages that belong to others.
struct Shared {
    std::atomic<long> before[64];
    int buffer[40000];
    std::atomic<long> after[64];
};

static void neighbours(Shared *s) {
    const int n = sizeof s->buffer / sizeof *s->buffer, threads = 3, rounds = 20;
    std::atomic<bool> stop{false};
    long done[threads] = {};
    std::vector<std::thread> writers;
    for (int t = 0; t < threads; t++)
        writers.emplace_back([s, t, &stop, &done] {
            while (!stop) {
                s->before[t % 64]++;
                s->after[t % 64]++;
                s->before[60]++; // all of them write here
                ((volatile int *)s->buffer)[n - 1 - t]++;
                done[t]++;
            }
        });
    for (int round = 0; round < rounds; round++) {
        int *device;
        CHECK(cudaHostRegister(s->buffer, sizeof s->buffer, cudaHostRegisterMapped));
        CHECK(cudaHostGetDevicePointer((void **)&device, s->buffer, 0));
        increment<<<(n - 1000 + 127) / 128, 128>>>(device, n - 1000);
        launched();
        CHECK(cudaHostUnregister(s->buffer));
    }
    stop = true;
    for (auto &w : writers) w.join();
    long all = 0;
    for (int t = 0; t < threads; t++) {
        all += done[t];
        EXPECT(s->before[t] == done[t] && s->after[t] == done[t], "thread %d has written %ld times, %ld and %ld are there", t, done[t],
               s->before[t].load(), s->after[t].load());
        EXPECT(s->buffer[n - 1 - t] == (int)done[t], "thread %d has counted %ld in the buffer, %d is there", t, done[t], s->buffer[n - 1 - t]);
    }
    EXPECT(s->before[60] == all, "all have written %ld times, %ld is there", all, s->before[60].load());
    for (int i = 0; i < n - 1000; i++) EXPECT(s->buffer[i] == rounds, "element %d is %d, want %d", i, s->buffer[i], rounds);
}

static void children() {
    const int n = 100000;
    std::vector<int> v(n, 1);
    CHECK(cudaHostRegister(v.data(), n * sizeof(int), cudaHostRegisterDefault));
    int go[2];
    EXPECT(pipe(go) == 0, "no pipe");
    pid_t child = fork();
    if (child == 0) {
        char c;
        if (read(go[0], &c, 1) != 1) _exit(3); // until the parent has written
        for (int i = 0; i < n; i++)
            if (v[i] != 1) _exit(4);
        v.assign(n, 9);
        _exit(0);
    }
    v.assign(n, 2);
    EXPECT(write(go[1], "x", 1) == 1, "the child is gone");
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status), "the child has crashed with %#x", status);
    EXPECT(WEXITSTATUS(status) == 0, "the child ends with %d: 4 is another's memory", WEXITSTATUS(status));
    int *device = device_array<int>(n);
    CHECK(cudaMemcpy(device, v.data(), n * sizeof(int), cudaMemcpyHostToDevice));
    std::vector<int> back(n);
    CHECK(cudaMemcpy(back.data(), device, n * sizeof(int), cudaMemcpyDeviceToHost));
    expect_same("after a child", back, std::vector<int>(n, 2));
    CHECK(cudaHostUnregister(v.data()));
    expect_same("after the registration", v, std::vector<int>(n, 2));
    CHECK(cudaFree(device));
}

// copies uses registered memory that begins anywhere for asynchronous copies, plain and of rows.
static void copies() {
    const int n = 300000;
    std::vector<char> room(n + 17);
    char *p = room.data() + 13;
    for (int i = 0; i < n; i++) p[i] = (char)(i * 13);
    CHECK(cudaHostRegister(p, n, cudaHostRegisterPortable));
    cudaPointerAttributes a;
    CHECK(cudaPointerGetAttributes(&a, p + 5));
    EXPECT(a.type == cudaMemoryTypeHost && a.hostPointer == p + 5, "type %d at %p, want %p", a.type, a.hostPointer, p + 5);
    char *device = device_array<char>(n);
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    CHECK(cudaMemcpyAsync(device, p, n, cudaMemcpyDefault, s));
    CHECK(cudaMemsetAsync(device + 100, 7, 50, s));
    CHECK(cudaMemcpyAsync(p, device, n, cudaMemcpyDefault, s));
    CHECK(cudaStreamSynchronize(s));
    for (int i = 0; i < n; i++) {
        char want = i >= 100 && i < 150 ? 7 : (char)(i * 13);
        EXPECT(p[i] == want, "byte %d is %d, want %d", i, p[i], want);
    }
    CHECK(cudaMemcpy2DAsync(device, 300, p + 1, 1000, 200, 100, cudaMemcpyHostToDevice, s));
    CHECK(cudaMemcpy2DAsync(p + 100000, 500, device, 300, 200, 100, cudaMemcpyDeviceToHost, s));
    CHECK(cudaStreamSynchronize(s));
    for (int y = 0; y < 100; y++)
        for (int x = 0; x < 200; x++) EXPECT(p[100000 + y * 500 + x] == p[1 + y * 1000 + x], "row %d differs at %d", y, x);
    CHECK(cudaHostUnregister(p));
    CHECK(cudaFree(device));
    CHECK(cudaStreamDestroy(s));
}

static Shared global; // in the program's own data

int main() {
    int able;
    CHECK(cudaDeviceGetAttribute(&able, cudaDevAttrHostRegisterSupported, 0));
    if (!able) SKIP("memory of the program's own cannot be registered");
    Shared *s = new Shared();
    neighbours(s);
    delete s;
    neighbours(&global);
    children();
    copies();
    CHECK(cudaDeviceReset());
    return 0;
}
