// SPDX-License-Identifier: Apache-2.0
//
// A surface object draws a level of a mipmapped array that was not made for surfaces, as programs make their own levels.
#include "check.h"

__global__ void fill(cudaSurfaceObject_t surface) { surf2Dwrite((int)threadIdx.x * 3, surface, threadIdx.x * 4, blockIdx.x); }

int main() {
    cudaMipmappedArray_t mipmap;
    cudaArray_t level;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<int>();
    CHECK(cudaMallocMipmappedArray(&mipmap, &format, make_cudaExtent(16, 8, 0), 2));
    CHECK(cudaGetMipmappedArrayLevel(&level, mipmap, 1));
    cudaResourceDesc resource = {};
    resource.resType = cudaResourceTypeArray;
    resource.res.array.array = level;
    cudaSurfaceObject_t surface;
    CHECK(cudaCreateSurfaceObject(&surface, &resource));
    fill<<<4, 8>>>(surface);
    launched();
    std::vector<int> got(32), want(32);
    CHECK(cudaMemcpy2DFromArray(got.data(), 32, level, 0, 0, 32, 4, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 32; i++) want[i] = i % 8 * 3;
    expect_same("the level", got, want);
    CHECK(cudaDestroySurfaceObject(surface));
    CHECK(cudaFreeMipmappedArray(mipmap));
    return 0;
}
