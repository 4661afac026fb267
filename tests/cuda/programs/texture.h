// SPDX-License-Identifier: Apache-2.0
//
// What the programs about textures share: arrays made of vectors, objects made of arrays, and what the
// texture units compute, as the CUDA C++ Programming Guide has it.
#pragma once

#include "check.h"

// array_of copies a vector into a new array; height and depth are 0 for dimensions that there are not.
template <class T>
cudaArray_t array_of(const std::vector<T> &v, size_t w, size_t h, size_t depth, unsigned flags = 0) {
    cudaArray_t array;
    cudaChannelFormatDesc desc = cudaCreateChannelDesc<T>();
    CHECK(cudaMalloc3DArray(&array, &desc, make_cudaExtent(w, h, depth), flags));
    cudaMemcpy3DParms copy = {};
    copy.srcPtr = make_cudaPitchedPtr((void *)v.data(), w * sizeof(T), w, h ? h : 1);
    copy.dstArray = array;
    copy.extent = make_cudaExtent(w, h ? h : 1, depth ? depth : 1);
    copy.kind = cudaMemcpyHostToDevice;
    CHECK(cudaMemcpy3D(&copy));
    return array;
}

inline cudaTextureObject_t texture_of(cudaArray_t array, const cudaTextureDesc &t) {
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeArray;
    r.res.array.array = array;
    cudaTextureObject_t texture;
    CHECK(cudaCreateTextureObject(&texture, &r, &t, nullptr));
    return texture;
}

inline cudaTextureDesc sampler(cudaTextureFilterMode filter, cudaTextureAddressMode mode, bool normalized) {
    cudaTextureDesc t = {};
    t.filterMode = filter;
    t.addressMode[0] = t.addressMode[1] = t.addressMode[2] = mode;
    t.normalizedCoords = normalized;
    return t;
}

// texel_index maps an index into [0, n), or to -1 for the border.
inline int texel_index(int i, int n, cudaTextureAddressMode mode) {
    switch (mode) {
    case cudaAddressModeWrap: return ((i % n) + n) % n;
    case cudaAddressModeMirror: i = ((i % (2 * n)) + 2 * n) % (2 * n); return i < n ? i : 2 * n - 1 - i;
    case cudaAddressModeBorder: return i < 0 || i >= n ? -1 : i;
    default: return i < 0 ? 0 : i >= n ? n - 1 : i;
    }
}

// Axis is one dimension of a filter: two indices and the weight of the second.
struct Axis {
    int at[2];
    double weight;
    // x is in texels.
    Axis(double x, int n, cudaTextureAddressMode mode) {
        double low = floor(x - 0.5);
        weight = x - 0.5 - low;
        at[0] = texel_index((int)low, n, mode), at[1] = texel_index((int)low + 1, n, mode);
    }
};
