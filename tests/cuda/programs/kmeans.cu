// SPDX-License-Identifier: Apache-2.0
//
// K-means: assignment to the nearest centre, new centres by atomics, until
// nothing changes.
#include "check.h"

#define K 6

__host__ __device__ int nearest(int x, int y, const int2 *centres) {
    int best = 0;
    long long least = INT64_MAX;
    for (int k = 0; k < K; k++) {
        long long dx = x - centres[k].x, dy = y - centres[k].y, d = dx * dx + dy * dy;
        if (d < least) least = d, best = k;
    }
    return best;
}

__global__ void assign(const int2 *points, int *label, const int2 *centres, int3 *sums, int *changed, int n) {
    __shared__ int2 c[K];
    __shared__ int3 local[K];
    if (threadIdx.x < K) c[threadIdx.x] = centres[threadIdx.x], local[threadIdx.x] = make_int3(0, 0, 0);
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        int2 p = points[i];
        int k = nearest(p.x, p.y, c);
        if (label[i] != k) label[i] = k, *changed = 1;
        atomicAdd(&local[k].x, p.x);
        atomicAdd(&local[k].y, p.y);
        atomicAdd(&local[k].z, 1);
    }
    __syncthreads();
    if (threadIdx.x < K) {
        atomicAdd(&sums[threadIdx.x].x, local[threadIdx.x].x);
        atomicAdd(&sums[threadIdx.x].y, local[threadIdx.x].y);
        atomicAdd(&sums[threadIdx.x].z, local[threadIdx.x].z);
    }
}

__global__ void centre(int2 *centres, int3 *sums) {
    int k = threadIdx.x;
    if (sums[k].z) centres[k] = make_int2(sums[k].x / sums[k].z, sums[k].y / sums[k].z);
    sums[k] = make_int3(0, 0, 0);
}

int main() {
    const int n = 3000;
    std::vector<int2> points(n), centres(K);
    Random random(26);
    for (int i = 0; i < n; i++) {
        int c = i % 5;
        points[i] = make_int2(c * 3000 % 7000 + (int)random.below(2500), c * c * 1100 + (int)random.below(2500));
    }
    for (int k = 0; k < K; k++) centres[k] = points[k * 17];
    int2 *dp = to_device(points), *dc = to_device(centres);
    int3 *sums = to_device(std::vector<int3>(K, make_int3(0, 0, 0)));
    int *label = to_device(std::vector<int>(n, -1)), *changed = device_array<int>(1), rounds = 0, any = 1;
    while (any && rounds < 40) {
        CHECK(cudaMemset(changed, 0, sizeof(int)));
        assign<<<(n + 127) / 128, 128>>>(dp, label, dc, sums, changed, n);
        centre<<<1, K>>>(dc, sums);
        CHECK(cudaMemcpy(&any, changed, sizeof any, cudaMemcpyDeviceToHost));
        rounds++;
    }
    std::vector<int> want(n, -1);
    int host_rounds = 0;
    for (bool again = true; again && host_rounds < 40; host_rounds++) {
        again = false;
        std::vector<int3> s(K, make_int3(0, 0, 0));
        for (int i = 0; i < n; i++) {
            int k = nearest(points[i].x, points[i].y, centres.data());
            again |= want[i] != k;
            want[i] = k;
            s[k].x += points[i].x;
            s[k].y += points[i].y;
            s[k].z++;
        }
        for (int k = 0; k < K; k++)
            if (s[k].z) centres[k] = make_int2(s[k].x / s[k].z, s[k].y / s[k].z);
    }
    EXPECT(rounds == host_rounds, "%d rounds, want %d", rounds, host_rounds);
    expect_same("labels", to_host(label, n), want);
    return 0;
}
