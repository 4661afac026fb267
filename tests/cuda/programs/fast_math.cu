// SPDX-License-Identifier: Apache-2.0
//
// Fast intrinsics and a whole program under -use_fast_math: approximations with
// known bounds, subnormal numbers taken for zero.
// flags: -use_fast_math
#include "check.h"

__global__ void compute(const float *in, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = in[i];
    out[i] = __sinf(x);
    out[n + i] = __cosf(x);
    out[2 * n + i] = __expf(x);
    out[3 * n + i] = __logf(fabsf(x) + 0.5f);
    out[4 * n + i] = __fdividef(x, 3.0f);
    out[5 * n + i] = __powf(fabsf(x) + 0.5f, 1.5f);
    out[6 * n + i] = x / (fabsf(x) + 1);
    out[7 * n + i] = sqrtf(fabsf(x));
    out[8 * n + i] = rsqrtf(fabsf(x) + 1);
    out[9 * n + i] = __tanf(x * 0.3f);
}

__global__ void flush(float *out, float tiny) {
    out[0] = tiny * 0.5f;
    out[1] = tiny + tiny;
}

int main() {
    const int n = 1024;
    std::vector<float> x(n);
    Random random(7);
    for (float &v : x) v = (random.real() - 0.5f) * 6.2f;
    float *dx = to_device(x), *out = device_array<float>(10 * n);
    compute<<<n / 128, 128>>>(dx, out, n);
    launched();
    std::vector<float> got = to_host(out, 10 * n);
    for (int i = 0; i < n; i++) {
        double v = x[i], a = fabs(v);
        const double want[] = {sin(v),          cos(v), exp(v),  log(a + 0.5),        v / 3,
                               pow(a + 0.5, 1.5), v / (a + 1), sqrt(a), 1 / sqrt(a + 1), tan(v * 0.3)};
        for (int k = 0; k < 10; k++) {
            double error = fabs(got[k * n + i] - want[k]);
            EXPECT(error <= 4e-6 * fmax(1, fabs(want[k])), "function %d of %g: %.9g, want %.9g", k, v,
                   got[k * n + i], want[k]);
        }
    }
    flush<<<1, 1>>>(out, 1e-40f);
    launched();
    expect_same("subnormal numbers", to_host(out, 2), std::vector<float>{0, 0});
    return 0;
}
