// SPDX-License-Identifier: Apache-2.0
//
// Texture and surface references, as CUDA had them up to its version 11.
#include "texture.h"

#if CUDART_VERSION >= 12000
int main() { SKIP("CUDA 12 has no texture references"); }
#else
texture<float, 1> linear_ref;
texture<float, 2> plane_ref;
texture<uchar4, 2, cudaReadModeNormalizedFloat> colour_ref;
texture<int, cudaTextureType2DLayered> layer_ref;
surface<void, 2> surface_ref;

__global__ void fetch(float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex1Dfetch(linear_ref, i);
}

__global__ void plane(float *out, int w) { out[blockIdx.x * w + threadIdx.x] = tex2D(plane_ref, threadIdx.x + 1.f, blockIdx.x + 0.5f); }

__global__ void colour(float4 *out, int w) { out[blockIdx.x * w + threadIdx.x] = tex2D(colour_ref, threadIdx.x + 0.5f, blockIdx.x + 0.5f); }

__global__ void layer(int *out, int w) { out[blockIdx.x * w + threadIdx.x] = tex2DLayered(layer_ref, threadIdx.x + 0.5f, 0.5f, blockIdx.x); }

__global__ void twice() {
    float v;
    surf2Dread(&v, surface_ref, threadIdx.x * 4, blockIdx.x);
    surf2Dwrite(2 * v, surface_ref, threadIdx.x * 4, blockIdx.x);
}

int main() {
    int n = 700, w = 16, h = 6;
    std::vector<float> a(n), b(n), v(w * h), want(w * h);
    for (int i = 0; i < n; i++) a[i] = i * 0.5f, b[i] = -i;
    float *da = to_device(a), *db = to_device(b), *out = device_array<float>(n);

    // A launch takes what a reference is bound to when it is made.
    float *first = device_array<float>(n);
    CHECK(cudaBindTexture(nullptr, linear_ref, da, n * sizeof(float)));
    fetch<<<6, 128>>>(first, n);
    CHECK(cudaBindTexture(nullptr, linear_ref, db, n * sizeof(float)));
    fetch<<<6, 128>>>(out, n);
    launched();
    expect_same("the first memory", to_host(first, n), a);
    expect_same("the second memory", to_host(out, n), b);
    CHECK(cudaUnbindTexture(linear_ref));

    for (int i = 0; i < w * h; i++) v[i] = i * 4;
    cudaArray_t array = array_of(v, w, h, 0, cudaArraySurfaceLoadStore);
    plane_ref.filterMode = cudaFilterModeLinear;
    plane_ref.addressMode[0] = plane_ref.addressMode[1] = cudaAddressModeClamp;
    CHECK(cudaBindTextureToArray(plane_ref, array));
    plane<<<h, w>>>(out, w);
    launched();
    for (int i = 0; i < w * h; i++) want[i] = i % w == w - 1 ? v[i] : v[i] + 2;
    expect_close("a filtered plane", to_host(out, w * h), want, 1e-5);

    CHECK(cudaBindSurfaceToArray(surface_ref, array));
    twice<<<h, w>>>();
    plane<<<h, w>>>(out, w);
    launched();
    for (auto &f : want) f *= 2;
    expect_close("a plane that a surface has doubled", to_host(out, w * h), want, 1e-5);

    std::vector<uchar4> pixels(w * h);
    for (int i = 0; i < w * h; i++) pixels[i] = make_uchar4(i, 255 - i, 51, 255);
    uchar4 *rows;
    size_t pitch;
    CHECK(cudaMallocPitch(&rows, &pitch, w * 4, h));
    CHECK(cudaMemcpy2D(rows, pitch, pixels.data(), w * 4, w * 4, h, cudaMemcpyHostToDevice));
    CHECK(cudaBindTexture2D(nullptr, colour_ref, rows, w, h, pitch));
    float4 *colours = device_array<float4>(w * h);
    colour<<<h, w>>>(colours, w);
    launched();
    auto got = to_host(colours, w * h);
    for (int i = 0; i < w * h; i++)
        EXPECT(fabs(got[i].x - i / 255.) < 1e-6 && fabs(got[i].y - (255 - i) / 255.) < 1e-6 && fabs(got[i].z - 0.2) < 1e-6 && got[i].w == 1,
               "pixel %d is %g %g %g %g", i, got[i].x, got[i].y, got[i].z, got[i].w);

    std::vector<int> numbers(w * 3);
    for (size_t i = 0; i < numbers.size(); i++) numbers[i] = (int)i * i;
    cudaArray_t layers = array_of(numbers, w, 1, 3, cudaArrayLayered);
    CHECK(cudaBindTextureToArray(layer_ref, layers));
    int *ints = device_array<int>(numbers.size());
    layer<<<3, w>>>(ints, w);
    launched();
    expect_same("layers", to_host(ints, numbers.size()), numbers);

    size_t offset;
    CHECK(cudaGetTextureAlignmentOffset(&offset, colour_ref));
    EXPECT(offset == 0, "an aligned texture begins %zu bytes off", offset);
    CHECK(cudaFreeArray(layers));
    CHECK(cudaFreeArray(array));
    for (void *p : {(void *)da, (void *)db, (void *)out, (void *)first, (void *)rows, (void *)colours, (void *)ints}) CHECK(cudaFree(p));
    return 0;
}
#endif
