// SPDX-License-Identifier: Apache-2.0
//
// Sum, minimum and place of the maximum of an array, by warps and by blocks.
#include "check.h"

struct Result {
    long long sum;
    int least;
    unsigned long long largest; // value in the high half, its first place below
};

__device__ long long warp_sum(long long v) {
    for (int d = 16; d > 0; d /= 2) v += __shfl_down_sync(0xffffffff, v, d);
    return v;
}

__global__ void reduce(const int *in, int n, Result *out) {
    __shared__ long long sums[32];
    __shared__ int least;
    __shared__ unsigned long long largest;
    if (threadIdx.x == 0) least = INT32_MAX, largest = 0;
    __syncthreads();
    long long sum = 0;
    int low = INT32_MAX;
    unsigned long long high = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        int v = in[i];
        sum += v;
        low = min(low, v);
        unsigned long long packed = (unsigned long long)((unsigned)v ^ 0x80000000u) << 32 | (0xffffffffu - i);
        high = max(high, packed);
    }
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
    atomicMin(&least, low);
    atomicMax(&largest, high);
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = warp_sum(threadIdx.x < blockDim.x / 32 ? sums[threadIdx.x] : 0);
        if (threadIdx.x == 0) {
            atomicAdd((unsigned long long *)&out->sum, (unsigned long long)sum);
            atomicMin(&out->least, least);
            atomicMax(&out->largest, largest);
        }
    }
}

int main() {
    for (int n : {1, 31, 1000, 100003}) {
        std::vector<int> in(n);
        Random random(n);
        Result want = {0, INT32_MAX, 0};
        int best = 0;
        for (int i = 0; i < n; i++) {
            in[i] = (int)(random.bits() << random.below(3)) >> 4;
            want.sum += in[i];
            want.least = std::min(want.least, in[i]);
            if (in[i] > in[best]) best = i;
        }
        int *d = to_device(in);
        Result *out = to_device(std::vector<Result>{{0, INT32_MAX, 0}});
        reduce<<<7, 256>>>(d, n, out);
        launched();
        Result got = to_host(out, 1)[0];
        int place = (int)(0xffffffffu - (unsigned)got.largest), value = (int)((unsigned)(got.largest >> 32) ^ 0x80000000u);
        EXPECT(got.sum == want.sum, "%d: sum %lld, want %lld", n, got.sum, want.sum);
        EXPECT(got.least == want.least, "%d: least %d, want %d", n, got.least, want.least);
        EXPECT(place == best && value == in[best], "%d: largest %d at %d, want %d at %d", n, value, place, in[best], best);
        CHECK(cudaFree(d));
    }
    return 0;
}
