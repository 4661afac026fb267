// SPDX-License-Identifier: Apache-2.0
//
// A launch that the driver refuses fails itself, and nothing after it does: libraries try configurations one after the
// other, and take the first that is accepted.
#include "check.h"

__global__ void add(int *v, int by) { v[threadIdx.x] += by; }

#if CUDART_VERSION >= 11080
static cudaError_t launch(int *v, int by, unsigned cluster) {
    cudaLaunchAttribute a = {};
    a.id = cudaLaunchAttributeClusterDimension;
    a.val.clusterDim.x = cluster;
    a.val.clusterDim.y = a.val.clusterDim.z = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(64);
    config.blockDim = dim3(64);
    config.attrs = &a;
    config.numAttrs = 1;
    void *args[] = {&v, &by};
    return cudaLaunchKernelExC(&config, (void *)add, args);
}
#else
static cudaError_t launch(int *, int, unsigned cluster) { return cluster > 1 ? cudaErrorInvalidValue : cudaSuccess; }
#endif

int main() {
    int *v = to_device(std::vector<int>(64, 1));
    for (int round = 0; round < 3; round++) {
        for (unsigned cluster : {64u, 32u}) { // of at most 16
            EXPECT(launch(v, 100, cluster) != cudaSuccess, "a cluster of %u blocks was accepted", cluster);
            cudaGetLastError();
            CHECK(cudaStreamSynchronize(0));
        }
        add<<<1, 64>>>(v, 1);
        CHECK(cudaGetLastError());
        CHECK(cudaDeviceSynchronize());
    }
    expect_same("what was accepted", to_host(v, 64), std::vector<int>(64, 4));
    return 0;
}
