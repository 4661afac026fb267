// SPDX-License-Identifier: Apache-2.0
//
// Texture objects read by the nearest texel: of memory, of rows with a pitch, and of arrays of one to three
// dimensions, with elements of every size, as they are and as fractions.
#include "check.h"

template <class T> __global__ void fetch1(cudaTextureObject_t t, T *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex1Dfetch<T>(t, i);
}

template <class T> __global__ void fetch2(cudaTextureObject_t t, T *out, int w, int h) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    if (x < w) out[y * w + x] = tex2D<T>(t, x + 0.5f, y + 0.5f);
}

template <class T> __global__ void fetch3(cudaTextureObject_t t, T *out, int w, int h) {
    int x = threadIdx.x, y = blockIdx.x, z = blockIdx.y;
    if (x < w) out[(z * h + y) * w + x] = tex3D<T>(t, x + 0.25f, y + 0.75f, z + 0.5f);
}

template <class T> bool equal(const std::vector<T> &a, const std::vector<T> &b) {
    return memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T> std::vector<T> noise(int n, int seed) {
    std::vector<T> v(n);
    Random random(seed);
    for (size_t i = 0; i < n * sizeof(T); i++) ((uint8_t *)v.data())[i] = random.below(256);
    return v;
}

template <> std::vector<float> noise<float>(int n, int seed) {
    std::vector<float> v(n);
    Random random(seed);
    for (auto &f : v) f = random.real() - 0.5f;
    return v;
}

template <class T> void linear(const char *name) {
    int n = 1000;
    auto v = noise<T>(n, 1);
    T *d = to_device(v), *out = device_array<T>(n);
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeLinear;
    r.res.linear.devPtr = d;
    r.res.linear.desc = cudaCreateChannelDesc<T>();
    r.res.linear.sizeInBytes = n * sizeof(T);
    cudaTextureDesc t = {};
    cudaTextureObject_t texture;
    CHECK(cudaCreateTextureObject(&texture, &r, &t, nullptr));
    fetch1<T><<<8, 128>>>(texture, out, n);
    launched();
    EXPECT(equal(to_host(out, n), v), "memory of %s", name);
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaFree(d));
    CHECK(cudaFree(out));
}

template <class T> void plane(const char *name, bool pitched) {
    int w = 37, h = 11;
    auto v = noise<T>(w * h, 2);
    T *out = device_array<T>(w * h), *d = nullptr;
    cudaArray_t array = nullptr;
    cudaResourceDesc r = {};
    cudaTextureDesc t = {};
    t.addressMode[0] = t.addressMode[1] = cudaAddressModeClamp;
    if (pitched) {
        size_t pitch;
        CHECK(cudaMallocPitch(&d, &pitch, w * sizeof(T), h));
        CHECK(cudaMemcpy2D(d, pitch, v.data(), w * sizeof(T), w * sizeof(T), h, cudaMemcpyHostToDevice));
        r.resType = cudaResourceTypePitch2D;
        r.res.pitch2D.devPtr = d;
        r.res.pitch2D.desc = cudaCreateChannelDesc<T>();
        r.res.pitch2D.width = w;
        r.res.pitch2D.height = h;
        r.res.pitch2D.pitchInBytes = pitch;
    } else {
        cudaChannelFormatDesc desc = cudaCreateChannelDesc<T>();
        CHECK(cudaMallocArray(&array, &desc, w, h));
        CHECK(cudaMemcpy2DToArray(array, 0, 0, v.data(), w * sizeof(T), w * sizeof(T), h, cudaMemcpyHostToDevice));
        std::vector<T> back(w * h);
        CHECK(cudaMemcpy2DFromArray(back.data(), w * sizeof(T), array, 0, 0, w * sizeof(T), h, cudaMemcpyDeviceToHost));
        EXPECT(equal(back, v), "an array of %s copied there and back", name);
        r.resType = cudaResourceTypeArray;
        r.res.array.array = array;
    }
    cudaTextureObject_t texture;
    CHECK(cudaCreateTextureObject(&texture, &r, &t, nullptr));
    fetch2<T><<<dim3(1, h), 64>>>(texture, out, w, h);
    launched();
    EXPECT(equal(to_host(out, w * h), v), "a plane of %s, pitched: %d", name, pitched);
    CHECK(cudaDestroyTextureObject(texture));
    if (array) CHECK(cudaFreeArray(array));
    CHECK(cudaFree(d));
    CHECK(cudaFree(out));
}

template <class T> void volume(const char *name) {
    int w = 9, h = 5, depth = 4;
    auto v = noise<T>(w * h * depth, 3);
    T *out = device_array<T>(v.size());
    cudaArray_t array;
    cudaChannelFormatDesc desc = cudaCreateChannelDesc<T>();
    cudaExtent extent = make_cudaExtent(w, h, depth);
    CHECK(cudaMalloc3DArray(&array, &desc, extent));
    cudaMemcpy3DParms copy = {};
    copy.srcPtr = make_cudaPitchedPtr(v.data(), w * sizeof(T), w, h);
    copy.dstArray = array;
    copy.extent = extent;
    copy.kind = cudaMemcpyHostToDevice;
    CHECK(cudaMemcpy3D(&copy));
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeArray;
    r.res.array.array = array;
    cudaTextureDesc t = {};
    t.addressMode[0] = t.addressMode[1] = t.addressMode[2] = cudaAddressModeClamp;
    cudaTextureObject_t texture;
    CHECK(cudaCreateTextureObject(&texture, &r, &t, nullptr));
    fetch3<T><<<dim3(h, depth), 32>>>(texture, out, w, h);
    launched();
    EXPECT(equal(to_host(out, v.size()), v), "a volume of %s", name);
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(out));
}

// fractions reads integers as floats in [0, 1] and [-1, 1].
template <class T> void fractions(const char *name, double scale) {
    int n = 256;
    std::vector<T> v(n);
    std::vector<float> want(n);
    for (int i = 0; i < n; i++) {
        v[i] = (T)(sizeof(T) == 1 ? i : i * 257);
        want[i] = (float)fmax(v[i] / scale, -1);
    }
    T *d = to_device(v);
    float *out = device_array<float>(n);
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeLinear;
    r.res.linear.devPtr = d;
    r.res.linear.desc = cudaCreateChannelDesc<T>();
    r.res.linear.sizeInBytes = n * sizeof(T);
    cudaTextureDesc t = {};
    t.readMode = cudaReadModeNormalizedFloat;
    cudaTextureObject_t texture;
    CHECK(cudaCreateTextureObject(&texture, &r, &t, nullptr));
    fetch1<float><<<2, 128>>>(texture, out, n);
    launched();
    expect_close(name, to_host(out, n), want, 1e-6);
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaFree(d));
    CHECK(cudaFree(out));
}

#define ALL(T) linear<T>(#T), plane<T>(#T, true), plane<T>(#T, false), volume<T>(#T)

int main() {
    ALL(float);
    ALL(int);
    ALL(unsigned char);
    ALL(short);
    ALL(uint2);
    ALL(uchar4);
    ALL(short2);
    ALL(int4);
    fractions<unsigned char>("unsigned char", 255);
    fractions<signed char>("signed char", 127);
    fractions<unsigned short>("unsigned short", 65535);
    fractions<short>("short", 32767);
    return 0;
}
