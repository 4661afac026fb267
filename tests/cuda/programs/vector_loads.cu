// SPDX-License-Identifier: Apache-2.0
//
// Loads and stores of vectors and of narrow types, through every path that the
// compiler has for them.
#include "check.h"

template <class V> __global__ void move(const V *in, V *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = in[n - 1 - i];
}

template <class V> void check_move(const char *name) {
    const int n = 777;
    std::vector<unsigned char> bytes(n * sizeof(V)), want(n * sizeof(V));
    Random random(10);
    for (auto &b : bytes) b = (unsigned char)random.bits();
    for (int i = 0; i < n; i++) memcpy(&want[i * sizeof(V)], &bytes[(n - 1 - i) * sizeof(V)], sizeof(V));
    unsigned char *in = to_device(bytes), *out = device_array<unsigned char>(n * sizeof(V));
    move<<<(n + 127) / 128, 128>>>((const V *)in, (V *)out, n);
    launched();
    std::vector<unsigned char> got = to_host(out, n * sizeof(V));
    EXPECT(got == want, "moving %s gave other bytes", name);
    CHECK(cudaFree(in));
    CHECK(cudaFree(out));
}

struct __align__(16) Aligned { float a; char b; short c; double d; };

__global__ void arithmetic(const float4 *in, const uchar4 *pixels, float4 *out, float *sums, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 v = __ldg(in + i);
    uchar4 p = pixels[i];
    out[i] = make_float4(v.w * p.x, v.z * p.y, v.y * p.z, v.x * p.w);
    sums[i] = v.x + v.y + v.z + v.w;
}

// Each kind of load and store that can be asked for by name.
__global__ void hints(const int4 *in, int4 *out) {
    int i = threadIdx.x;
    int4 a = __ldcg(in + i), b = __ldcs(in + i), c = __ldca(in + i);
    __stcg(out + i, make_int4(a.x, b.y, c.z, a.w));
    volatile int *v = (volatile int *)(out + i);
    v[3] = v[3] + 1;
    signed char narrow = ((const signed char *)in)[i * 16];
    unsigned short half = ((const unsigned short *)in)[i * 8 + 1];
    v[0] = narrow + half;
}

int main() {
    check_move<char>("char");
    check_move<short>("short");
    check_move<int>("int");
    check_move<long long>("long long");
    check_move<char2>("char2");
    check_move<uchar3>("uchar3");
    check_move<char4>("char4");
    check_move<short2>("short2");
    check_move<ushort3>("ushort3");
    check_move<short4>("short4");
    check_move<int2>("int2");
    check_move<int3>("int3");
    check_move<uint4>("uint4");
    check_move<float2>("float2");
    check_move<float3>("float3");
    check_move<float4>("float4");
    check_move<longlong2>("longlong2");
    check_move<double2>("double2");
    check_move<double3>("double3");
    check_move<Aligned>("Aligned");

    const int n = 500;
    std::vector<float4> in(n), got;
    std::vector<uchar4> pixels(n);
    std::vector<float> sums(n), want(n * 4);
    for (int i = 0; i < n; i++) {
        in[i] = make_float4(i, i + 0.5f, -i, i * 2);
        pixels[i] = make_uchar4(i, i + 1, i + 2, 255);
        sums[i] = in[i].x + in[i].y + in[i].z + in[i].w;
        want[i * 4] = in[i].w * pixels[i].x;
        want[i * 4 + 1] = in[i].z * pixels[i].y;
        want[i * 4 + 2] = in[i].y * pixels[i].z;
        want[i * 4 + 3] = in[i].x * pixels[i].w;
    }
    float4 *out = device_array<float4>(n);
    float *dsums = device_array<float>(n);
    arithmetic<<<(n + 63) / 64, 64>>>(to_device(in), to_device(pixels), out, dsums, n);
    launched();
    expect_same("float4", to_host((float *)out, n * 4), want);
    expect_same("sums", to_host(dsums, n), sums);

    std::vector<int> words(32 * 4), hw(32 * 4);
    for (int i = 0; i < 128; i++) words[i] = i * 0x01030507 - 77;
    for (int i = 0; i < 32; i++) {
        hw[i * 4] = (signed char)words[i * 4] + (int)((unsigned)words[i * 4] >> 16);
        hw[i * 4 + 1] = words[i * 4 + 1];
        hw[i * 4 + 2] = words[i * 4 + 2];
        hw[i * 4 + 3] = words[i * 4 + 3] + 1;
    }
    int *dw = to_device(words), *dh = device_array<int>(128);
    hints<<<1, 32>>>((const int4 *)dw, (int4 *)dh);
    launched();
    expect_same("hints", to_host(dh, 128), hw);
    return 0;
}
