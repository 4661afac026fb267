// SPDX-License-Identifier: Apache-2.0
//
// Surfaces: kernels read and write arrays of one to three dimensions and of layers, with elements of every
// size; what lies beyond an edge is ignored, or is the nearest.
#include "texture.h"

template <class T> __global__ void copy1(cudaSurfaceObject_t to, cudaSurfaceObject_t from, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) surf1Dwrite(surf1Dread<T>(from, (n - 1 - i) * sizeof(T)), to, i * sizeof(T));
}

template <class T> __global__ void copy2(cudaSurfaceObject_t to, cudaSurfaceObject_t from, int w, int h) {
    int x = threadIdx.x, y = blockIdx.x;
    surf2Dwrite(surf2Dread<T>(from, (w - 1 - x) * sizeof(T), h - 1 - y), to, x * sizeof(T), y);
}

__global__ void copy3(cudaSurfaceObject_t to, cudaSurfaceObject_t from, int w, bool layers) {
    int x = threadIdx.x, y = blockIdx.x, z = blockIdx.y;
    if (layers)
        surf2DLayeredwrite((short)(surf2DLayeredread<short>(from, x * 2, y, z) * 2), to, x * 2, y, z);
    else
        surf3Dwrite((short)(surf3Dread<short>(from, x * 2, y, z) + 1), to, x * 2, y, z);
}

// edges reads a frame of one texel around a plane, and writes there.
__global__ void edges(cudaSurfaceObject_t s, int *zero, int *clamp, int w) {
    int x = (int)threadIdx.x - 1, y = (int)blockIdx.x - 1, i = (y + 1) * (w + 2) + x + 1;
    zero[i] = surf2Dread<int>(s, x * 4, y, cudaBoundaryModeZero);
    clamp[i] = surf2Dread<int>(s, x * 4, y, cudaBoundaryModeClamp);
    __syncthreads();
    if (x < 0 || x >= w) surf2Dwrite(-1, s, x * 4, y, cudaBoundaryModeZero);
}

cudaSurfaceObject_t surface_of(cudaArray_t array) {
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeArray;
    r.res.array.array = array;
    cudaSurfaceObject_t s;
    CHECK(cudaCreateSurfaceObject(&s, &r));
    return s;
}

template <class T> std::vector<T> contents(cudaArray_t array, size_t w, size_t h, size_t depth) {
    std::vector<T> v(w * h * depth);
    cudaMemcpy3DParms copy = {};
    copy.srcArray = array;
    copy.dstPtr = make_cudaPitchedPtr(v.data(), w * sizeof(T), w, h);
    copy.extent = make_cudaExtent(w, h, depth);
    copy.kind = cudaMemcpyDeviceToHost;
    CHECK(cudaMemcpy3D(&copy));
    return v;
}

template <class T> void reversed(const char *name, int w, int h) {
    std::vector<T> v(w * (h ? h : 1)), none(v.size());
    for (size_t i = 0; i < v.size(); i++) memset(&v[i], (int)(i * 7 + 1), sizeof(T));
    cudaArray_t from = array_of(v, w, h, 0, cudaArraySurfaceLoadStore), to = array_of(none, w, h, 0, cudaArraySurfaceLoadStore);
    cudaSurfaceObject_t a = surface_of(from), b = surface_of(to);
    if (h)
        copy2<T><<<h, w>>>(b, a, w, h);
    else
        copy1<T><<<1, 128>>>(b, a, w);
    launched();
    auto got = contents<T>(to, w, h ? h : 1, 1);
    for (size_t i = 0; i < v.size(); i++)
        EXPECT(!memcmp(&got[i], &v[v.size() - 1 - i], sizeof(T)), "element %zu of %s", i, name);
    CHECK(cudaDestroySurfaceObject(a));
    CHECK(cudaDestroySurfaceObject(b));
    CHECK(cudaFreeArray(from));
    CHECK(cudaFreeArray(to));
}

void volumes(bool layers) {
    int w = 12, h = 5, depth = 3;
    std::vector<short> v(w * h * depth), want(v.size());
    for (size_t i = 0; i < v.size(); i++) v[i] = (short)i, want[i] = (short)(layers ? 2 * i : i + 1);
    unsigned flags = cudaArraySurfaceLoadStore | (layers ? cudaArrayLayered : 0);
    cudaArray_t from = array_of(v, w, h, depth, flags), to = array_of(v, w, h, depth, flags);
    cudaSurfaceObject_t a = surface_of(from), b = surface_of(to);
    copy3<<<dim3(h, depth), w>>>(b, a, w, layers);
    launched();
    expect_same(layers ? "layers" : "volume", contents<short>(to, w, h, depth), want);
    CHECK(cudaDestroySurfaceObject(a));
    CHECK(cudaDestroySurfaceObject(b));
    CHECK(cudaFreeArray(from));
    CHECK(cudaFreeArray(to));
}

void beyond() {
    const int w = 6, h = 4, n = (w + 2) * (h + 2);
    std::vector<int> v(w * h), zero(n), clamp(n);
    for (int i = 0; i < w * h; i++) v[i] = i + 1;
    for (int i = 0; i < n; i++) {
        int x = i % (w + 2) - 1, y = i / (w + 2) - 1;
        bool inside = x >= 0 && x < w && y >= 0 && y < h;
        zero[i] = inside ? v[y * w + x] : 0;
        clamp[i] = v[texel_index(y, h, cudaAddressModeClamp) * w + texel_index(x, w, cudaAddressModeClamp)];
    }
    cudaArray_t array = array_of(v, w, h, 0, cudaArraySurfaceLoadStore);
    cudaSurfaceObject_t s = surface_of(array);
    int *a = device_array<int>(n), *b = device_array<int>(n);
    edges<<<h + 2, w + 2>>>(s, a, b, w);
    launched();
    expect_same("beyond is zero", to_host(a, n), zero);
    expect_same("beyond is nearest", to_host(b, n), clamp);
    expect_same("what was written beyond", contents<int>(array, w, h, 1), v);
    CHECK(cudaDestroySurfaceObject(s));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(a));
    CHECK(cudaFree(b));
}

int main() {
    reversed<unsigned char>("bytes", 40, 0);
    reversed<float2>("rows of float2", 40, 0);
    reversed<unsigned char>("planes of bytes", 17, 9);
    reversed<short>("planes of short", 17, 9);
    reversed<float>("planes of float", 17, 9);
    reversed<uchar4>("planes of uchar4", 17, 9);
    reversed<int4>("planes of int4", 17, 9);
    volumes(false);
    volumes(true);
    beyond();
    return 0;
}
