// SPDX-License-Identifier: Apache-2.0
//
// Memory of the program's own that is registered piece by piece, as malloc gives it: pieces meet within pages, and end in any
// order.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "check.h"

__global__ void scale(unsigned char *v, size_t n, int by) {
    for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) v[i] = (unsigned char)(v[i] * by + 1);
}

// Pieces of one block, from its beginning on: some of several pages, some within one.
static const size_t sizes[] = {10000, 4096, 300, 20, 7000, 5, 100000, 64, 4032, 8192, 1};
static const int PIECES = sizeof sizes / sizeof *sizes;

struct piece {
    unsigned char *at, *device;
    size_t n;
    bool registered;
};

static cudaStream_t s;
static std::vector<unsigned char> model; // what the whole block should hold
static unsigned char *block;

static void whole(const char *when) {
    for (size_t i = 0; i < model.size(); i++) EXPECT(block[i] == model[i], "%s: byte %zu is %d, want %d", when, i, block[i], model[i]);
}

static bool add(piece &p) {
    cudaError_t error = cudaHostRegister(p.at, p.n, cudaHostRegisterMapped);
    if (error == cudaErrorNotSupported) return false;
    CHECK(error);
    CHECK(cudaHostGetDevicePointer(&p.device, p.at, 0));
    p.registered = true;
    return true;
}

static void drop(piece &p) {
    CHECK(cudaHostUnregister(p.at));
    p.registered = false;
}

// use has the GPU and the host write each registered piece: kernels, and copies both ways.
static void use(std::vector<piece> &pieces, int by) {
    unsigned char *d = device_array<unsigned char>(model.size());
    for (piece &p : pieces) {
        if (!p.registered) continue;
        scale<<<4, 64, 0, s>>>(p.device, p.n, by);
        CHECK(cudaMemcpyAsync(d, p.at, p.n, cudaMemcpyHostToDevice, s));
        scale<<<4, 64, 0, s>>>(d, p.n, by);
        CHECK(cudaMemcpyAsync(p.at, d, p.n, cudaMemcpyDeviceToHost, s));
    }
    CHECK(cudaStreamSynchronize(s));
    for (piece &p : pieces) {
        if (!p.registered) continue;
        for (size_t i = p.at - block; i < p.at - block + p.n; i++) {
            for (int times = 0; times < 2; times++) model[i] = (unsigned char)(model[i] * by + 1);
            EXPECT(block[i] == model[i], "byte %zu is %d, want %d", i, block[i], model[i]);
            block[i] = model[i] = (unsigned char)(model[i] + 3); // for the GPU to see next time
        }
    }
    CHECK(cudaFree(d));
    whole("after the GPU");
}

int main() {
    size_t total = std::accumulate(sizes, sizes + PIECES, (size_t)0) + 100;
    block = (unsigned char *)malloc(total);
    for (size_t i = 0; i < total; i++) model.push_back(block[i] = (unsigned char)(i * 7));
    std::vector<piece> pieces;
    unsigned char *at = block + 50;
    for (size_t n : sizes) {
        pieces.push_back({at, nullptr, n, false});
        at += n;
    }
    CHECK(cudaStreamCreate(&s));
    if (!add(pieces[0])) SKIP("memory of the program's own cannot be registered");
    if (!add(pieces[1])) SKIP("two registrations cannot share a page");
    drop(pieces[1]);
    drop(pieces[0]);

    std::vector<int> order(PIECES);
    std::iota(order.begin(), order.end(), 0);
    unsigned seed = 12345;
    auto random = [&](unsigned n) { return (seed = seed * 1103515245 + 12345) / 65536 % n; };
    for (int round = 0; round < 12; round++) {
        for (int i : order)
            if (!pieces[i].registered) EXPECT(add(pieces[i]), "piece %d is refused", i);
        use(pieces, 3);
        EXPECT_ERROR(cudaHostRegister(pieces[4].at + 10, 20, 0), cudaErrorHostMemoryAlreadyRegistered);
        cudaGetLastError();
        for (int i = PIECES - 1; i > 0; i--) std::swap(order[i], order[random(i + 1)]);
        // Some stay, and what shares their pages comes and goes.
        for (int i : order)
            if (random(3)) drop(pieces[i]);
        whole("after some have ended");
        use(pieces, 5);
        pid_t child = round % 4 ? 0 : fork();
        if (round % 4 == 0) {
            EXPECT(child >= 0, "no child");
            if (child == 0) {
                for (size_t i = 0; i < model.size(); i++)
                    if (block[i] != model[i]) _exit(1);
                memset(block, 0, model.size());
                _exit(0);
            }
            int status = -1;
            EXPECT(waitpid(child, &status, 0) == child && status == 0, "the child ends with %#x", status);
            whole("after a child has written its own");
        }
    }
    for (piece &p : pieces)
        if (p.registered) drop(p);
    whole("in the end");
    free(block);

    // What is over may be gone, and other memory in its place, while a neighbour has a page of it still.
    const size_t page = sysconf(_SC_PAGESIZE);
    auto *v = (unsigned char *)mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(v != MAP_FAILED, "no memory");
    piece first = {v, nullptr, 2 * page + 100, false}, second = {v + 2 * page + 100, nullptr, page, false};
    EXPECT(add(first) && add(second), "a piece of new memory is refused");
    drop(first);
    EXPECT(mmap(v, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == v, "no memory");
    memset(v, 9, 4 * page);
    if (add(first)) {
        scale<<<4, 64, 0, s>>>(first.device, first.n, 2);
        CHECK(cudaStreamSynchronize(s));
        for (size_t i = 0; i < first.n; i++) EXPECT(v[i] == 19, "byte %zu of other memory is %d, want 19", i, v[i]);
        drop(first);
    }
    scale<<<4, 64, 0, s>>>(second.device, second.n, 3);
    CHECK(cudaStreamSynchronize(s));
    for (size_t i = 0; i < second.n; i++) EXPECT(second.at[i] == 28, "byte %zu of the neighbour is %d, want 28", i, second.at[i]);
    drop(second);
    for (size_t i = 0; i < second.n; i++) EXPECT(second.at[i] == 28, "byte %zu is %d in the end, want 28", i, second.at[i]);
    munmap(v, 4 * page);
    return 0;
}
