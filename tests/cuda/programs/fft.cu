// SPDX-License-Identifier: Apache-2.0
//
// Fast Fourier transform in shared memory, a block to a row, there and back,
// against the sums by definition.
#include "check.h"

#define N 256

__global__ void transform(const float2 *in, float2 *out, float sign) {
    __shared__ float2 v[N];
    int t = threadIdx.x;
    in += blockIdx.x * N;
    out += blockIdx.x * N;
    for (int i = t; i < N; i += N / 2) v[__brev(i) >> 24] = in[i];
    for (int half = 1; half < N; half *= 2) {
        __syncthreads();
        int k = t & (half - 1), a = 2 * (t - k) + k, b = a + half;
        float s, c;
        sincospif(sign * k / half, &s, &c);
        float2 x = v[a], y = v[b], w = make_float2(y.x * c - y.y * s, y.x * s + y.y * c);
        v[a] = make_float2(x.x + w.x, x.y + w.y);
        v[b] = make_float2(x.x - w.x, x.y - w.y);
    }
    __syncthreads();
    for (int i = t; i < N; i += N / 2) out[i] = v[i];
}

int main() {
    const int rows = 6;
    std::vector<float2> in(rows * N);
    Random random(30);
    for (float2 &v : in) v = make_float2(random.real() - 0.5f, random.real() - 0.5f);
    float2 *d = to_device(in), *f = device_array<float2>(rows * N), *back = device_array<float2>(rows * N);
    transform<<<rows, N / 2>>>(d, f, -1);
    transform<<<rows, N / 2>>>(f, back, 1);
    launched();
    std::vector<float2> frequencies = to_host(f, rows * N), again = to_host(back, rows * N);
    std::vector<double> cosine(N), sine(N);
    for (int i = 0; i < N; i++) {
        cosine[i] = cos(2 * M_PI * i / N);
        sine[i] = -sin(2 * M_PI * i / N);
    }
    for (int r = 0; r < rows; r++) {
        for (int k = 0; k < N; k++) {
            double x = 0, y = 0;
            for (int i = 0; i < N; i++) {
                float2 v = in[r * N + i];
                double c = cosine[i * k % N], s = sine[i * k % N];
                x += v.x * c - v.y * s;
                y += v.x * s + v.y * c;
            }
            float2 g = frequencies[r * N + k], b = again[r * N + k], w = in[r * N + k];
            EXPECT(fabs(g.x - x) < 1e-5 * 16 && fabs(g.y - y) < 1e-5 * 16, "row %d, frequency %d: %g %g, want %g %g", r, k, g.x, g.y, x, y);
            EXPECT(fabs(b.x / N - w.x) < 1e-6 && fabs(b.y / N - w.y) < 1e-6, "row %d, sample %d: %g %g, want %g %g", r, k,
                   b.x / N, b.y / N, w.x, w.y);
        }
    }
    return 0;
}
