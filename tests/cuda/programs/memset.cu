// SPDX-License-Identifier: Apache-2.0
//
// Memset of the runtime: of parts, not waiting, and in the order of the stream.
#include "check.h"

int main() {
    const int n = 100003;
    unsigned char *p;
    CHECK(cudaMalloc(&p, n));
    CHECK(cudaMemset(p, 0x12, n));
    CHECK(cudaMemset(p + 7, 0, 1000));
    CHECK(cudaMemset(p + n - 3, 0x1ff, 3)); // the low byte counts
    std::vector<unsigned char> want(n, 0x12);
    memset(&want[7], 0, 1000);
    memset(&want[n - 3], 0xff, 3);
    EXPECT(to_host(p, n) == want, "memset differs");

    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    unsigned char *pinned;
    CHECK(cudaMallocHost(&pinned, 40 * n));
    for (int i = 0; i < 40; i++) {
        CHECK(cudaMemsetAsync(p + i, i, n - i, s));
        CHECK(cudaMemcpyAsync(pinned + i * n, p, n, cudaMemcpyDeviceToHost, s));
    }
    CHECK(cudaStreamSynchronize(s));
    for (int i = 0; i < 40; i++) {
        for (int k = 0; k < n; k++) {
            int w = k < i ? k : i;
            EXPECT(pinned[i * n + k] == w, "copy %d: byte %d is %d, want %d", i, k, pinned[i * n + k], w);
        }
    }
    CHECK(cudaMemset(p, 1, 0));
    EXPECT_ERROR(cudaMemset(nullptr, 1, 16), cudaErrorInvalidValue);
    return 0;
}
