// SPDX-License-Identifier: Apache-2.0
//
// Mipmapped arrays: a level chosen by number, mixed from two, by gradients, and shifted by a bias.
#include "texture.h"

__global__ void levels(cudaTextureObject_t t, const float *lod, float *out, int n) {
    int i = threadIdx.x;
    if (i < n) out[i] = tex2DLod<float>(t, 0.4f, 0.6f, lod[i]);
}

__global__ void gradients(cudaTextureObject_t t, const float *step, float *out, int n) {
    int i = threadIdx.x;
    if (i < n) out[i] = tex2DGrad<float>(t, 0.4f, 0.6f, make_float2(step[i], 0), make_float2(0, step[i] / 2));
}

int main() {
    const int size = 32, count = 6;
    cudaMipmappedArray_t mipmap;
    cudaChannelFormatDesc desc = cudaCreateChannelDesc<float>();
    CHECK(cudaMallocMipmappedArray(&mipmap, &desc, make_cudaExtent(size, size, 0), count));
    for (int l = 0; l < count; l++) { // every texel of a level has the same value
        int side = size >> l;
        std::vector<float> v(side * side, 10.f * l + 1);
        cudaArray_t level;
        CHECK(cudaGetMipmappedArrayLevel(&level, mipmap, l));
        cudaExtent extent;
        CHECK(cudaArrayGetInfo(nullptr, &extent, nullptr, level));
        EXPECT((int)extent.width == side && (int)extent.height == side, "level %d is %zu by %zu", l, extent.width, extent.height);
        CHECK(cudaMemcpy2DToArray(level, 0, 0, v.data(), side * 4, side * 4, side, cudaMemcpyHostToDevice));
    }
    struct {
        const char *name;
        cudaTextureFilterMode filter;
        float bias, least, most;
    } cases[] = {
        {"nearest level", cudaFilterModePoint, 0, 0, 5},
        {"mixed levels", cudaFilterModeLinear, 0, 0, 5},
        {"with a bias", cudaFilterModeLinear, 1.5f, 0, 5},
        {"clamped", cudaFilterModeLinear, 0, 1, 3},
    };
    std::vector<float> lods = {-2, 0, 0.2f, 0.75f, 1, 1.9f, 2.25f, 3.6f, 4, 5, 9};
    int n = (int)lods.size();
    float *lod = to_device(lods), *out = device_array<float>(n);
    for (auto &c : cases) {
        cudaResourceDesc r = {};
        r.resType = cudaResourceTypeMipmappedArray;
        r.res.mipmap.mipmap = mipmap;
        cudaTextureDesc t = sampler(cudaFilterModeLinear, cudaAddressModeClamp, true);
        t.mipmapFilterMode = c.filter;
        t.disableTrilinearOptimization = 1;
        t.mipmapLevelBias = c.bias;
        t.minMipmapLevelClamp = c.least;
        t.maxMipmapLevelClamp = c.most;
        cudaTextureObject_t texture;
        CHECK(cudaCreateTextureObject(&texture, &r, &t, nullptr));
        std::vector<float> want(n);
        for (int i = 0; i < n; i++) {
            float l = fminf(fmaxf(lods[i] + c.bias, c.least), fminf(c.most, count - 1));
            want[i] = 10 * (c.filter == cudaFilterModePoint ? floorf(l + 0.5f) : l) + 1;
        }
        levels<<<1, 32>>>(texture, lod, out, n);
        launched();
        expect_close(c.name, to_host(out, n), want, 10. / 256);
        if (c.filter == cudaFilterModePoint) { // gradients of 2^k texels ask for level k
            std::vector<float> steps, by;
            for (int k = 0; k < count; k++) steps.push_back((float)(1 << k) / size), by.push_back(10.f * k + 1);
            float *d = to_device(steps);
            gradients<<<1, 32>>>(texture, d, out, count);
            launched();
            expect_close("by gradients", to_host(out, count), by, 1e-5);
            CHECK(cudaFree(d));
        }
        CHECK(cudaDestroyTextureObject(texture));
    }
    CHECK(cudaFreeMipmappedArray(mipmap));
    CHECK(cudaFree(lod));
    CHECK(cudaFree(out));
    return 0;
}
