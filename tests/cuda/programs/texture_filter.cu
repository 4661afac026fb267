// SPDX-License-Identifier: Apache-2.0
//
// Linear filtering in one to three dimensions, with coordinates in texels and normalized, of floats and of
// integers read as fractions. Weights have 8 bits of fraction, which bounds the difference.
#include "texture.h"

__global__ void sample1(cudaTextureObject_t t, const float *x, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex1D<float>(t, x[i]);
}

__global__ void sample2(cudaTextureObject_t t, const float2 *at, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex2D<float>(t, at[i].x, at[i].y);
}

__global__ void sample3(cudaTextureObject_t t, const float4 *at, float4 *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex3D<float4>(t, at[i].x, at[i].y, at[i].z);
}

static const int samples = 512;
// Each dimension's weight is off by at most 2^-8, if it is cut and not rounded, and a coordinate by its rounding;
// texels are in [0, 1].
static const double bound = 3.5 / 256;

void one(bool normalized) {
    int w = 23;
    Random random(5);
    std::vector<float> v(w), x(samples), want(samples);
    for (auto &f : v) f = random.real();
    for (int i = 0; i < samples; i++) {
        float texels = random.real() * (w + 6) - 3;
        x[i] = normalized ? texels / w : texels;
        Axis a(normalized ? (double)x[i] * w : x[i], w, cudaAddressModeClamp);
        want[i] = (float)(v[a.at[0]] * (1 - a.weight) + v[a.at[1]] * a.weight);
    }
    cudaArray_t array = array_of(v, w, 0, 0);
    cudaTextureObject_t t = texture_of(array, sampler(cudaFilterModeLinear, cudaAddressModeClamp, normalized));
    float *dx = to_device(x), *out = device_array<float>(samples);
    sample1<<<4, 128>>>(t, dx, out, samples);
    launched();
    expect_close("one dimension", to_host(out, samples), want, bound);
    CHECK(cudaDestroyTextureObject(t));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(dx));
    CHECK(cudaFree(out));
}

template <class T> void two(double scale) {
    int w = 19, h = 13;
    Random random(6);
    std::vector<T> v(w * h);
    std::vector<float2> at(samples);
    std::vector<float> want(samples);
    for (auto &f : v) f = scale == 1 ? (T)random.real() : (T)random.below((uint32_t)scale + 1);
    for (int i = 0; i < samples; i++) {
        at[i] = make_float2(random.real() * (w + 4) - 2, random.real() * (h + 4) - 2);
        Axis x(at[i].x, w, cudaAddressModeClamp), y(at[i].y, h, cudaAddressModeClamp);
        double sum = 0;
        for (int k = 0; k < 4; k++)
            sum += v[y.at[k >> 1] * w + x.at[k & 1]] / scale * (k & 1 ? x.weight : 1 - x.weight) * (k >> 1 ? y.weight : 1 - y.weight);
        want[i] = (float)sum;
    }
    cudaArray_t array = array_of(v, w, h, 0);
    cudaTextureDesc s = sampler(cudaFilterModeLinear, cudaAddressModeClamp, false);
    s.readMode = scale == 1 ? cudaReadModeElementType : cudaReadModeNormalizedFloat;
    cudaTextureObject_t t = texture_of(array, s);
    float2 *d = to_device(at);
    float *out = device_array<float>(samples);
    sample2<<<4, 128>>>(t, d, out, samples);
    launched();
    expect_close("two dimensions", to_host(out, samples), want, bound);
    CHECK(cudaDestroyTextureObject(t));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(d));
    CHECK(cudaFree(out));
}

void three() {
    int w = 7, h = 6, depth = 5;
    Random random(7);
    std::vector<float4> v(w * h * depth), at(samples);
    std::vector<float> want(4 * samples), got(4 * samples);
    for (auto &f : v) f = make_float4(random.real(), random.real(), random.real(), random.real());
    for (int i = 0; i < samples; i++) {
        at[i] = make_float4(random.real() * 1.4f - 0.2f, random.real() * 1.4f - 0.2f, random.real() * 1.4f - 0.2f, 0);
        Axis x((double)at[i].x * w, w, cudaAddressModeClamp), y((double)at[i].y * h, h, cudaAddressModeClamp),
            z((double)at[i].z * depth, depth, cudaAddressModeClamp);
        for (int c = 0; c < 4; c++) {
            double sum = 0;
            for (int k = 0; k < 8; k++)
                sum += (&v[(z.at[k >> 2] * h + y.at[k >> 1 & 1]) * w + x.at[k & 1]].x)[c] * (k & 1 ? x.weight : 1 - x.weight) *
                       (k >> 1 & 1 ? y.weight : 1 - y.weight) * (k >> 2 ? z.weight : 1 - z.weight);
            want[4 * i + c] = (float)sum;
        }
    }
    cudaArray_t array = array_of(v, w, h, depth);
    cudaTextureObject_t t = texture_of(array, sampler(cudaFilterModeLinear, cudaAddressModeClamp, true));
    float4 *d = to_device(at), *out = device_array<float4>(samples);
    sample3<<<4, 128>>>(t, d, out, samples);
    launched();
    auto result = to_host(out, samples);
    memcpy(got.data(), result.data(), got.size() * 4);
    expect_close("three dimensions", got, want, bound);
    CHECK(cudaDestroyTextureObject(t));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(d));
    CHECK(cudaFree(out));
}

int main() {
    one(false);
    one(true);
    two<float>(1);
    two<unsigned char>(255);
    two<unsigned short>(65535);
    three();
    return 0;
}
