// SPDX-License-Identifier: Apache-2.0
//
// What textures give beyond their edges: wrapped, mirrored, clamped, and the border's colour.
#include "texture.h"

__global__ void sample(cudaTextureObject_t t, const float2 *at, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex2D<float>(t, at[i].x, at[i].y);
}

int main() {
    const int w = 8, h = 4, n = 4 * w * 4 * h;
    std::vector<float> v(w * h);
    for (int i = 0; i < w * h; i++) v[i] = i + 1;
    cudaArray_t array = array_of(v, w, h, 0);
    float *out = device_array<float>(n);
    struct {
        const char *name;
        cudaTextureAddressMode mode, meant;
        bool normalized;
    } cases[] = {
        {"wrap", cudaAddressModeWrap, cudaAddressModeWrap, true},
        {"mirror", cudaAddressModeMirror, cudaAddressModeMirror, true},
        {"clamp", cudaAddressModeClamp, cudaAddressModeClamp, true},
        {"border", cudaAddressModeBorder, cudaAddressModeBorder, true},
        {"clamp in texels", cudaAddressModeClamp, cudaAddressModeClamp, false},
        {"border in texels", cudaAddressModeBorder, cudaAddressModeBorder, false},
        {"wrap in texels is clamp", cudaAddressModeWrap, cudaAddressModeClamp, false},
    };
    for (auto &c : cases) {
        for (auto filter : {cudaFilterModePoint, cudaFilterModeLinear}) {
            cudaTextureDesc s = sampler(filter, c.mode, c.normalized);
            s.borderColor[0] = -5;
            cudaTextureObject_t t = texture_of(array, s);
            std::vector<float2> at(n);
            std::vector<float> want(n);
            for (int i = 0; i < n; i++) {
                // Texels' centres, from one and a half images before to as far behind: filters have whole weights.
                float x = i % (4 * w) - 1.5f * w + 0.5f, y = i / (4 * w) - 1.5f * h + 0.5f;
                at[i] = c.normalized ? make_float2(x / w, y / h) : make_float2(x, y);
                int a = texel_index((int)floorf(x), w, c.meant), b = texel_index((int)floorf(y), h, c.meant);
                want[i] = a < 0 || b < 0 ? -5 : v[b * w + a];
            }
            float2 *d = to_device(at);
            sample<<<(n + 127) / 128, 128>>>(t, d, out, n);
            launched();
            expect_close(c.name, to_host(out, n), want, 1e-5);
            CHECK(cudaDestroyTextureObject(t));
            CHECK(cudaFree(d));
        }
    }
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(out));
    return 0;
}
