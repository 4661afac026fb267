// SPDX-License-Identifier: Apache-2.0
//
// Arrays of layers, cube maps, and gathering one component of four texels.
#include "texture.h"

__global__ void layers1(cudaTextureObject_t t, int *out, int w) {
    out[blockIdx.x * w + threadIdx.x] = tex1DLayered<int>(t, threadIdx.x + 0.5f, blockIdx.x);
}

__global__ void layers2(cudaTextureObject_t t, float2 *out, int w, int h) {
    int x = threadIdx.x, y = blockIdx.x, layer = blockIdx.y;
    out[(layer * h + y) * w + x] = tex2DLayered<float2>(t, x + 0.5f, y + 0.5f, layer);
}

__global__ void cube(cudaTextureObject_t t, const float4 *at, float *out, int n, bool layered) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 p = at[i];
    out[i] = layered ? texCubemapLayered<float>(t, p.x, p.y, p.z, (int)p.w) : texCubemap<float>(t, p.x, p.y, p.z);
}

__global__ void gather(cudaTextureObject_t t, float4 *out, int w) {
    int x = threadIdx.x, y = blockIdx.x;
    out[2 * (y * w + x)] = tex2Dgather<float4>(t, x + 1.f, y + 1.f, 0);
    out[2 * (y * w + x) + 1] = tex2Dgather<float4>(t, x + 1.f, y + 1.f, 1);
}

void layered() {
    int w = 33, h = 5, layers = 4;
    std::vector<int> v(w * layers);
    for (size_t i = 0; i < v.size(); i++) v[i] = (int)i * 3 - 50;
    cudaArray_t array = array_of(v, w, 0, layers, cudaArrayLayered);
    auto nearest = sampler(cudaFilterModePoint, cudaAddressModeClamp, false);
    cudaTextureObject_t t = texture_of(array, nearest);
    int *out = device_array<int>(v.size());
    layers1<<<layers, w>>>(t, out, w);
    launched();
    expect_same("layers of rows", to_host(out, v.size()), v);
    CHECK(cudaDestroyTextureObject(t));
    CHECK(cudaFreeArray(array));

    std::vector<float2> planes(w * h * layers);
    std::vector<float> want(2 * planes.size()), got(want.size());
    for (size_t i = 0; i < planes.size(); i++) planes[i] = make_float2(i * 0.5f, -(float)i);
    array = array_of(planes, w, h, layers, cudaArrayLayered);
    t = texture_of(array, nearest);
    float2 *out2 = device_array<float2>(planes.size());
    layers2<<<dim3(h, layers), w>>>(t, out2, w, h);
    launched();
    auto result = to_host(out2, planes.size());
    memcpy(got.data(), result.data(), got.size() * 4);
    memcpy(want.data(), planes.data(), want.size() * 4);
    expect_same("layers of planes", got, want);
    CHECK(cudaDestroyTextureObject(t));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(out));
    CHECK(cudaFree(out2));
}

// cubes looks in directions that are not near an edge of a face.
void cubes(int maps) {
    const int w = 4, n = 6 * w * w * maps;
    std::vector<float> v(n), want(n);
    std::vector<float4> at(n);
    for (int i = 0; i < n; i++) {
        v[i] = i + 0.25f;
        int x = i % w, y = i / w % w, face = i / (w * w) % 6;
        float s = (x + 0.5f) / w * 2 - 1, t = (y + 0.5f) / w * 2 - 1, m = 2.5f;
        float3 d[6] = {{1, -t, -s}, {-1, -t, s}, {s, 1, t}, {s, -1, -t}, {s, -t, 1}, {-s, -t, -1}};
        at[i] = make_float4(d[face].x * m, d[face].y * m, d[face].z * m, i / (6 * w * w));
        want[i] = v[i];
    }
    cudaArray_t array = array_of(v, w, w, 6 * maps, cudaArrayCubemap | (maps > 1 ? cudaArrayLayered : 0));
    cudaTextureObject_t t = texture_of(array, sampler(cudaFilterModePoint, cudaAddressModeClamp, true));
    float4 *d = to_device(at);
    float *out = device_array<float>(n);
    cube<<<(n + 63) / 64, 64>>>(t, d, out, n, maps > 1);
    launched();
    expect_same("cube map", to_host(out, n), want);
    CHECK(cudaDestroyTextureObject(t));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(d));
    CHECK(cudaFree(out));
}

void gathered() {
    int w = 8, h = 6;
    std::vector<float2> v(w * h);
    for (int i = 0; i < w * h; i++) v[i] = make_float2(i, 1000 + i);
    cudaArray_t array = array_of(v, w, h, 0, cudaArrayTextureGather);
    cudaTextureObject_t t = texture_of(array, sampler(cudaFilterModePoint, cudaAddressModeClamp, false));
    float4 *out = device_array<float4>(2 * w * h);
    gather<<<h - 1, w - 1>>>(t, out, w);
    launched();
    auto got = to_host(out, 2 * w * h);
    for (int y = 0; y < h - 1; y++) {
        for (int x = 0; x < w - 1; x++) {
            for (int c = 0; c < 2; c++) {
                float4 g = got[2 * (y * w + x) + c];
                float base = y * w + x + c * 1000;
                EXPECT(g.x == base + w && g.y == base + w + 1 && g.z == base + 1 && g.w == base,
                       "component %d at %d,%d is %g %g %g %g", c, x, y, g.x, g.y, g.z, g.w);
            }
        }
    }
    CHECK(cudaDestroyTextureObject(t));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(out));
}

int main() {
    layered();
    cubes(1);
    cubes(3);
    gathered();
    return 0;
}
