// SPDX-License-Identifier: Apache-2.0
//
// Registration of arrays on the stack, under the frames that run on them: by the main thread and by others, with calls
// below that need more stack, signals that interrupt all of it, threads that write to the arrays meanwhile, children
// of fork, and stacks that have gone before the registration has.
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "check.h"

__global__ void add(int *v, int n, int what) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] += what;
}

static std::atomic<int> signals;

// A handler with a frame of some size, which the kernel puts where the thread has its stack.
static void on_alarm(int) {
    volatile char room[700];
    for (size_t i = 0; i < sizeof room; i++) room[i] = (char)0xa5;
    signals++;
}

// Uses so much stack below its caller, and gives what it has written there.
__attribute__((noinline)) static long deep(int levels) {
    volatile long here[100];
    for (int i = 0; i < 100; i++) here[i] = levels + i;
    long below = levels ? deep(levels - 1) : 0;
    for (int i = 0; i < 100; i++) EXPECT(here[i] == levels + i, "level %d has %ld at %d", levels, here[i], i);
    return below + here[50];
}

// An array of n numbers between two others, all on the stack, so registered with neighbours and frames in its pages.
template <int n>
__attribute__((noinline)) static void one(int round, int levels, bool children) {
    volatile int before[3] = {round, round + 1, round + 2};
    int v[n];
    volatile int after[3] = {round + 3, round + 4, round + 5};
    for (int i = 0; i < n; i++) v[i] = i + round;
    int *device;
    CHECK(cudaHostRegister(v, sizeof v, cudaHostRegisterMapped));
    CHECK(cudaHostGetDevicePointer((void **)&device, v, 0));
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    add<<<(n + 127) / 128, 128, 0, s>>>(device, n, 5);
    long want = 0;
    for (int i = 0; i <= levels; i++) want += i + 50;
    EXPECT(deep(levels) == want, "a wrong sum after %d levels", levels);
    CHECK(cudaStreamSynchronize(s));
    for (int i = 0; i < n; i++) EXPECT(v[i] == i + round + 5, "element %d of %d is %d, want %d", i, n, v[i], i + round + 5);
    if (children) {
        add<<<(n + 127) / 128, 128, 0, s>>>(device, n, 7); // arrives before, while, or after the child is made
        pid_t child = fork();
        if (child == 0) {
            EXPECT(deep(levels) == want, "a wrong sum in the child");
            for (int i = 0; i < n; i++) v[i] = -1;
            _exit(before[2] == round + 2 && after[2] == round + 5 ? 0 : 3);
        }
        EXPECT(child > 0, "no child");
        EXPECT(deep(levels) == want, "a wrong sum beside the child");
        int status = -1;
        EXPECT(waitpid(child, &status, 0) == child && status == 0, "the child ends with %#x", status);
        CHECK(cudaStreamSynchronize(s));
        for (int i = 0; i < n; i++) EXPECT(v[i] == i + round + 12, "element %d is %d after a child, want %d", i, v[i], i + round + 12);
        add<<<(n + 127) / 128, 128, 0, s>>>(device, n, -7); // it is the GPU's still
        CHECK(cudaStreamSynchronize(s));
    }
    CHECK(cudaStreamDestroy(s));
    CHECK(cudaHostUnregister(v));
    for (int i = 0; i < n; i++) EXPECT(v[i] == i + round + 5, "element %d of %d ends as %d, want %d", i, n, v[i], i + round + 5);
    for (int i = 0; i < 3; i++) EXPECT(before[i] == round + i && after[i] == round + 3 + i, "a neighbour is another");
}

static void all(int round, bool children) {
    one<3>(round, 20, children);
    one<1000>(round, 3, children);
    one<30000>(round, 200, children);
}

// Others write to an array of this thread's while it is being registered.
__attribute__((noinline)) static void writers() {
    const int threads = 2;
    std::atomic<long> counts[threads + 1] = {};
    std::atomic<bool> stop{false};
    long done[threads] = {};
    std::vector<std::thread> list;
    for (int t = 0; t < threads; t++)
        list.emplace_back([&counts, &stop, &done, t] {
            for (; !stop; done[t]++) counts[t]++, counts[threads]++;
        });
    for (int round = 0; round < 20; round++) {
        CHECK(cudaHostRegister(counts, sizeof counts, cudaHostRegisterDefault));
        CHECK(cudaHostUnregister(counts));
    }
    stop = true;
    long sum = 0;
    for (int t = 0; t < threads; t++) {
        list[t].join();
        sum += done[t];
        EXPECT(counts[t] == done[t], "thread %d has written %ld times, %ld are there", t, done[t], counts[t].load());
    }
    EXPECT(counts[threads] == sum, "all have written %ld times, %ld are there", sum, counts[threads].load());
}

// A stack of the program's own, gone before its registration.
static void gone() {
    const size_t bytes = 1 << 20;
    void *stack = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(stack != MAP_FAILED, "no memory");
    pthread_attr_t a;
    pthread_t t;
    uintptr_t array = 0;
    pthread_attr_init(&a);
    EXPECT(pthread_attr_setstack(&a, stack, bytes) == 0, "no stack");
    auto registers = [](void *out) -> void * {
        int v[2000] = {};
        CHECK(cudaHostRegister(v, sizeof v, cudaHostRegisterDefault));
        *(uintptr_t *)out = (uintptr_t)v;
        return nullptr;
    };
    EXPECT(pthread_create(&t, &a, registers, &array) == 0, "no thread");
    pthread_join(t, nullptr);
    pthread_attr_destroy(&a);
    munmap(stack, bytes);
    CHECK(cudaHostUnregister((void *)array));
    unsigned char there;
    EXPECT(mincore((void *)(array - array % 4096), 4096, &there) != 0, "unmapped memory is there again");
}

// Another thread's stack is refused, if it is known for one: the kernel can tell it of a fault nowhere else.
static void of_the_main_thread() {
    int v[100] = {};
    cudaError_t error = cudaSuccess;
    std::thread([&] { error = cudaHostRegister(v, sizeof v, cudaHostRegisterDefault); }).join();
    EXPECT(error == cudaErrorNotSupported || error == cudaSuccess, "registered from elsewhere: %s", cudaGetErrorName(error));
    if (error == cudaSuccess) CHECK(cudaHostUnregister(v));
}

int main() {
    int able;
    CHECK(cudaDeviceGetAttribute(&able, cudaDevAttrHostRegisterSupported, 0));
    if (!able) SKIP("memory of the program's own cannot be registered");
    struct sigaction action = {};
    action.sa_handler = on_alarm;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, nullptr);
    struct itimerval often = {{0, 700}, {0, 700}};
    setitimer(ITIMER_REAL, &often, nullptr);

    one<3>(0, 4000, true); // the main thread's stack grows by 3 MiB, below what is registered
    for (int round = 0; round < 2; round++) all(round, round % 2);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; t++)
        threads.emplace_back([t] {
            for (int round = 0; round < 4; round++) all(10 * t + round, round == 2);
        });
    for (int round = 0; round < 4; round++) all(round, false);
    for (auto &t : threads) t.join();
    writers();
    std::thread(writers).join();
    gone();
    of_the_main_thread();
    EXPECT(deep(5000) > 0, "the main thread's stack does not grow"); // 4 MiB
    struct itimerval never = {};
    setitimer(ITIMER_REAL, &never, nullptr);
    EXPECT(signals > 0, "no signal has come");
    return 0;
}
