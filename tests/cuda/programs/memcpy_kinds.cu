// SPDX-License-Identifier: Apache-2.0
//
// Copies in every direction, blocking and not, from pageable and pinned memory,
// of odd sizes and at odd addresses.
#include "check.h"

__global__ void increment(unsigned char *p, size_t n) {
    for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) p[i]++;
}

void trip(unsigned char *host, unsigned char *back, unsigned char *a, unsigned char *b, size_t n, cudaStream_t s,
          bool wait) {
    for (size_t i = 0; i < n; i++) host[i] = (unsigned char)(i * 7 + n);
    memset(back, 0, n);
    if (wait) {
        CHECK(cudaMemcpy(a, host, n, cudaMemcpyHostToDevice));
        CHECK(cudaMemcpy(b, a, n, cudaMemcpyDeviceToDevice));
        increment<<<4, 64>>>(b, n);
        CHECK(cudaMemcpy(back, b, n, cudaMemcpyDeviceToHost));
    } else {
        CHECK(cudaMemcpyAsync(a, host, n, cudaMemcpyHostToDevice, s));
        CHECK(cudaMemcpyAsync(b, a, n, cudaMemcpyDeviceToDevice, s));
        increment<<<4, 64, 0, s>>>(b, n);
        CHECK(cudaMemcpyAsync(back, b, n, cudaMemcpyDefault, s));
        CHECK(cudaStreamSynchronize(s));
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char want = (unsigned char)(i * 7 + n + 1);
        EXPECT(back[i] == want, "byte %zu of %zu is %d, want %d", i, n, back[i], want);
    }
}

int main() {
    const size_t largest = (600 << 10) + 5;
    unsigned char *a = device_array<unsigned char>(largest + 64), *b = device_array<unsigned char>(largest + 64);
    std::vector<unsigned char> pageable(2 * largest + 64);
    unsigned char *pinned;
    CHECK(cudaMallocHost(&pinned, 2 * largest + 64));
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    for (size_t n : {(size_t)1, (size_t)3, (size_t)4096, (size_t)65537, largest}) {
        for (int kind = 0; kind < 4; kind++) {
            unsigned char *h = kind & 1 ? pinned : pageable.data();
            trip(h, h + n, a, b, n, s, kind & 2);
            trip(h + 1, h + n + 3, a + 5, b + 3, n, s, kind & 2);
        }
    }
    // From host to host the runtime copies too, and nothing is an empty copy.
    memcpy(pageable.data(), "hello", 6);
    CHECK(cudaMemcpy(pageable.data() + 100, pageable.data(), 6, cudaMemcpyHostToHost));
    EXPECT(strcmp((char *)&pageable[100], "hello") == 0, "host to host gave %.6s", (char *)&pageable[100]);
    CHECK(cudaMemcpy(a, b, 0, cudaMemcpyDeviceToDevice));

    // Parts of one allocation, so that a neighbour that is touched shows.
    std::vector<unsigned char> data(1000), got;
    for (int i = 0; i < 1000; i++) data[i] = (unsigned char)i;
    CHECK(cudaMemcpy(a, data.data(), 1000, cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(a + 100, a + 500, 77, cudaMemcpyDeviceToDevice));
    memcpy(&data[100], &data[500], 77);
    EXPECT(to_host(a, 1000) == data, "a copy within an allocation touched its neighbours");

    // A copy from pageable memory has taken the data when it returns.
    for (int round = 0; round < 20; round++) {
        memset(pageable.data(), round, 50000);
        CHECK(cudaMemcpyAsync(a, pageable.data(), 50000, cudaMemcpyHostToDevice, s));
        memset(pageable.data(), 255, 50000);
        increment<<<4, 64, 0, s>>>(a, 50000);
        CHECK(cudaStreamSynchronize(s));
        got = to_host(a, 50000);
        EXPECT(got[0] == round + 1 && got[49999] == round + 1, "round %d: %d and %d", round, got[0], got[49999]);
    }
    CHECK(cudaFreeHost(pinned));
    CHECK(cudaStreamDestroy(s));
    return 0;
}
