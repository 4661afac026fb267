// SPDX-License-Identifier: Apache-2.0
//
// A cooperative launch: all blocks of the grid wait for each other.
#include <cooperative_groups.h>

#include "check.h"

namespace cg = cooperative_groups;

// Each round a cell becomes the sum of its neighbours in a ring that spans all
// blocks, so that a barrier that leaks shows.
__global__ void rounds(unsigned *a, unsigned *b, int n, int count) {
    cg::grid_group grid = cg::this_grid();
    int i = (int)grid.thread_rank();
    for (int r = 0; r < count; r++) {
        if (i < n) b[i] = a[(i + n - 1) % n] + a[(i + 1) % n] + r;
        grid.sync();
        unsigned *t = a;
        a = b;
        b = t;
    }
    if (i == 0) b[n] = grid.is_valid() ? (unsigned)grid.size() : 0;
}

int main() {
    int device = 0, supported = 0;
    CHECK(cudaDeviceGetAttribute(&supported, cudaDevAttrCooperativeLaunch, device));
    if (!supported) SKIP("the device has no cooperative launches");
    int blocks = 8, threads = 64, n = blocks * threads - 5, count = 20, per_sm = 0, sms = 0;
    CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_sm, rounds, threads, 0));
    CHECK(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device));
    EXPECT(per_sm >= 1 && sms >= 1, "%d blocks on each of %d multiprocessors", per_sm, sms);
    while (blocks > per_sm * sms) blocks /= 2;
    n = blocks * threads - 5;

    std::vector<unsigned> a(n + 1), want(n + 1), next(n + 1);
    for (int i = 0; i < n; i++) want[i] = a[i] = i * i;
    for (int r = 0; r < count; r++) {
        for (int i = 0; i < n; i++) next[i] = want[(i + n - 1) % n] + want[(i + 1) % n] + r;
        want.swap(next);
    }
    unsigned *da = to_device(a), *db = to_device(a);
    void *args[] = {&da, &db, &n, &count};
    CHECK(cudaLaunchCooperativeKernel((void *)rounds, blocks, threads, args, 0, 0));
    CHECK(cudaDeviceSynchronize());
    std::vector<unsigned> got = to_host(da, n + 1);
    unsigned size = to_host(db, n + 1)[n];
    got.resize(n);
    want.resize(n);
    expect_same("ring", got, want);
    EXPECT(size == (unsigned)(blocks * threads), "grid of %u threads, want %d", size, blocks * threads);
    // More blocks than fit at once cannot all wait for each other.
    int too_many = per_sm * sms + 1;
    EXPECT_ERROR(cudaLaunchCooperativeKernel((void *)rounds, too_many, threads, args, 0, 0),
                 cudaErrorCooperativeLaunchTooLarge);
    EXPECT(cudaGetLastError() == cudaErrorCooperativeLaunchTooLarge, "the error is not kept");
    CHECK(cudaDeviceSynchronize());
    return 0;
}
