// SPDX-License-Identifier: Apache-2.0
//
// Mandelbrot set: loops of very different length side by side.
#include "check.h"

// Rounding is written out, so that nothing is fused and counts agree exactly.
__global__ void mandelbrot(unsigned short *out, int width, int height, int limit) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    float cr = __fsub_rn(__fmul_rn(__fdiv_rn(x, width), 3.0f), 2.0f);
    float ci = __fsub_rn(__fmul_rn(__fdiv_rn(y, height), 2.4f), 1.2f);
    float r = 0, i = 0;
    int k = 0;
    while (k < limit) {
        float rr = __fmul_rn(r, r), ii = __fmul_rn(i, i);
        if (__fadd_rn(rr, ii) > 4) break;
        i = __fadd_rn(__fmul_rn(__fmul_rn(2.0f, r), i), ci);
        r = __fadd_rn(__fsub_rn(rr, ii), cr);
        k++;
    }
    out[y * width + x] = (unsigned short)k;
}

int main() {
    const int width = 200, height = 150, limit = 100;
    std::vector<int> want(width * height), got;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            float cr = (float)x / width * 3.0f - 2.0f, ci = (float)y / height * 2.4f - 1.2f, r = 0, i = 0;
            int k = 0;
            for (; k < limit && r * r + i * i <= 4; k++) {
                float t = r * r - i * i + cr;
                i = 2.0f * r * i + ci;
                r = t;
            }
            want[y * width + x] = k;
        }
    }
    unsigned short *out = device_array<unsigned short>(width * height);
    mandelbrot<<<dim3((width + 15) / 16, (height + 7) / 8), dim3(16, 8)>>>(out, width, height, limit);
    launched();
    for (unsigned short v : to_host(out, width * height)) got.push_back(v);
    expect_same("iterations", got, want);
    return 0;
}
