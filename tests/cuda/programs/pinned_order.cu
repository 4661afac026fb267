// SPDX-License-Identifier: Apache-2.0
//
// Pinned memory used by copies, kernels and the host one after the other, in the order of streams, with as few
// waits as CUDA allows.
#include <unistd.h>

#include "check.h"

__global__ void add(int *v, int a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] += a;
}

// answer waits until the host has set *go, then tells that it has seen it, and waits for *end.
__global__ void answer(volatile int *go, volatile int *seen, volatile int *end) {
    while (*go == 0) {
    }
    *seen = *go + 1;
    while (*end == 0) {
    }
}

struct Place {
    char letter;
    int *at;
};

__global__ void store(Place p, int v) { *p.at = v; }

static const int N = 40000;
static cudaStream_t stream;

static std::vector<int> numbers(int from) {
    std::vector<int> v(N);
    for (int i = 0; i < N; i++) v[i] = from + i;
    return v;
}

static int *pinned(unsigned flags = 0) {
    int *p;
    CHECK(cudaHostAlloc(&p, N * sizeof(int), flags));
    return p;
}

static std::vector<int> host(const int *p) { return std::vector<int>(p, p + N); }
static void down(int *to, const int *from) { CHECK(cudaMemcpyAsync(to, from, N * sizeof(int), cudaMemcpyDeviceToHost, stream)); }
static void up(int *to, const int *from) { CHECK(cudaMemcpyAsync(to, from, N * sizeof(int), cudaMemcpyHostToDevice, stream)); }
static void plus(int *v, int a) { add<<<(N + 127) / 128, 128, 0, stream>>>(v, a, N); }

// One buffer up, down and up again: what comes up the second time is what went down.
static void there_and_back() {
    int *p = pinned(), *q = pinned(), *a = device_array<int>(N), *b = device_array<int>(N);
    for (int round = 0; round < 3; round++) {
        std::vector<int> v = numbers(round * 1000);
        memcpy(p, v.data(), N * sizeof(int));
        up(a, p);
        plus(a, 1);
        down(p, a);
        up(b, p);
        plus(b, 1);
        down(q, b);
        CHECK(cudaStreamSynchronize(stream));
        expect_same("down", host(p), numbers(round * 1000 + 1));
        expect_same("there and back", host(q), numbers(round * 1000 + 2));
    }
    CHECK(cudaFreeHost(p));
    CHECK(cudaFreeHost(q));
    CHECK(cudaFree(a));
    CHECK(cudaFree(b));
}

struct Call {
    int *p;
    std::vector<int> seen;
};

static void look_and_double(void *data) {
    Call *c = (Call *)data;
    c->seen = host(c->p);
    for (int i = 0; i < N; i++) c->p[i] *= 2;
}

// A function of the host between two copies.
static void host_between() {
    int *p = pinned(), *a = to_device(numbers(5)), *b = device_array<int>(N);
    Call c = {p, {}};
    down(p, a);
    CHECK(cudaLaunchHostFunc(stream, look_and_double, &c));
    up(b, p);
    CHECK(cudaStreamSynchronize(stream));
    std::vector<int> twice = numbers(5);
    for (int &v : twice) v *= 2;
    expect_same("seen by the host", c.seen, numbers(5));
    expect_same("left by the host", to_host(b, N), twice);
    CHECK(cudaFreeHost(p));
    CHECK(cudaFree(a));
    CHECK(cudaFree(b));
}

// The GPU writes every second column of a box, the host the others at the same time.
static void columns() {
    const int width = 64, height = N / width;
    int *p = pinned(), *a = to_device(numbers(100));
    memset(p, 0, N * sizeof(int));
    for (int x = 0; x < width; x += 2) {
        CHECK(cudaMemcpy2DAsync(p + x, width * sizeof(int), a + x, width * sizeof(int), sizeof(int), height, cudaMemcpyDeviceToHost, stream));
        for (int y = 0; y < height; y++) p[y * width + x + 1] = -y;
    }
    CHECK(cudaStreamSynchronize(stream));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int want = x % 2 ? -y : 100 + y * width + x;
            EXPECT(p[y * width + x] == want, "row %d, column %d is %d, want %d", y, x, p[y * width + x], want);
        }
    CHECK(cudaFreeHost(p));
    CHECK(cudaFree(a));
}

// A kernel works on what a copy has just brought, and the other way round.
static void kernel_between() {
    int *p = pinned(), *q = pinned(), *a = to_device(numbers(7)), *b = device_array<int>(N);
    cudaEvent_t done;
    CHECK(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    down(p, a);
    plus(p, 10);
    up(b, p);
    CHECK(cudaMemcpyAsync(q, p, N * sizeof(int), cudaMemcpyDefault, stream));
    CHECK(cudaEventRecord(done, stream));
    for (cudaError_t r; (r = cudaEventQuery(done)) != cudaSuccess;) EXPECT(r == cudaErrorNotReady, "the event says %d", (int)r);
    expect_same("through a kernel", host(p), numbers(17));
    expect_same("copied on the host", host(q), numbers(17));
    expect_same("and up again", to_host(b, N), numbers(17));
    for (int i = 0; i < N; i++) p[i] = i; // now the host's again
    plus(p, 1);
    CHECK(cudaEventRecord(done, stream));
    CHECK(cudaEventSynchronize(done));
    expect_same("the host's", host(p), numbers(1));
    CHECK(cudaEventDestroy(done));
    CHECK(cudaFreeHost(p));
    CHECK(cudaFreeHost(q));
    CHECK(cudaFree(a));
    CHECK(cudaFree(b));
}

// A kernel finds an address within a block, within a structure.
static void inner_address() {
    int *p = pinned();
    memset(p, 0xff, N * sizeof(int));
    store<<<1, 1, 0, stream>>>(Place{'x', p + N - 1}, 42);
    CHECK(cudaStreamSynchronize(stream));
    EXPECT(p[N - 1] == 42 && p[N - 2] == -1 && p[0] == -1, "the last is %d, the one before %d", p[N - 1], p[N - 2]);
    CHECK(cudaFreeHost(p));
}

// Host and a running kernel signal to each other.
static void signals() {
    int *p = pinned(cudaHostAllocMapped);
    volatile int *go = p, *seen = p + 1, *end = p + 1000; // the first two share a line
    *go = *seen = *end = 0;
    answer<<<1, 1, 0, stream>>>(p, p + 1, p + 1000);
    CHECK(cudaGetLastError());
    usleep(3000);
    EXPECT(*seen == 0, "the kernel has seen %d", *seen);
    *go = 7;
    for (int i = 0; *seen == 0 && i < 100000; i++) usleep(100);
    EXPECT(*seen == 8, "the kernel has answered %d", *seen);
    EXPECT(cudaStreamQuery(stream) == cudaErrorNotReady, "the kernel has ended");
    *end = 1;
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaFreeHost(p));
}

// A graph's copies take what pinned memory holds at each launch.
static void graph() {
    int *p = pinned(), *q = pinned(), *a = device_array<int>(N);
    cudaGraph_t g;
    cudaGraphExec_t exec;
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    up(a, p);
    plus(a, 5);
    down(q, a);
    CHECK(cudaStreamEndCapture(stream, &g));
#if CUDART_VERSION >= 12000
    CHECK(cudaGraphInstantiate(&exec, g, 0));
#else
    CHECK(cudaGraphInstantiate(&exec, g, nullptr, nullptr, 0));
#endif
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < N; i++) p[i] = i + round;
        CHECK(cudaGraphLaunch(exec, stream));
        CHECK(cudaStreamSynchronize(stream));
        expect_same("graph", host(q), numbers(round + 5));
    }
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(g));
    CHECK(cudaFreeHost(p));
    CHECK(cudaFreeHost(q));
    CHECK(cudaFree(a));
}

// Blocks that come and go at the same addresses, first for copies, then for kernels.
static void again() {
    int *a = device_array<int>(N);
    for (int round = 0; round < 8; round++) {
        int *p = pinned();
        for (int i = 0; i < N; i++) p[i] = i + round;
        if (round % 2)
            plus(p, 3);
        else
            up(a, p), plus(a, 3), down(p, a);
        CHECK(cudaStreamSynchronize(stream));
        expect_same("again", host(p), numbers(round + 3));
        CHECK(cudaFreeHost(p));
    }
    CHECK(cudaFree(a));
}

int main() {
    CHECK(cudaStreamCreate(&stream));
    for (int round = 0; round < 2; round++) {
        there_and_back();
        columns();
        inner_address();
        kernel_between();
        signals();
        again();
        if (round) graph();
    }
    host_between();
    there_and_back();
    return 0;
}
