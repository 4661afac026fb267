// SPDX-License-Identifier: Apache-2.0
//
// Heat flow on a plane: a stencil with a border in shared memory, two buffers.
#include "check.h"

#define TILE 16

__global__ void step(const float *in, float *out, int w, int h) {
    __shared__ float t[TILE + 2][TILE + 2];
    int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
    int lx = threadIdx.x + 1, ly = threadIdx.y + 1;
    auto at = [&](int px, int py) { return in[min(max(py, 0), h - 1) * w + min(max(px, 0), w - 1)]; };
    t[ly][lx] = at(x, y);
    if (lx == 1) t[ly][0] = at(x - 1, y);
    if (lx == TILE) t[ly][TILE + 1] = at(x + 1, y);
    if (ly == 1) t[0][lx] = at(x, y - 1);
    if (ly == TILE) t[TILE + 1][lx] = at(x, y + 1);
    __syncthreads();
    if (x >= w || y >= h) return;
    // At the right and lower rim the tile may reach past the plane.
    float right = x == w - 1 ? t[ly][lx] : t[ly][lx + 1], below = y == h - 1 ? t[ly][lx] : t[ly + 1][lx];
    float sum = __fadd_rn(__fadd_rn(t[ly][lx - 1], right), __fadd_rn(t[ly - 1][lx], below));
    out[y * w + x] = __fadd_rn(__fmul_rn(t[ly][lx], 0.5f), __fmul_rn(sum, 0.125f));
}

int main() {
    const int w = 101, h = 83, steps = 12;
    std::vector<float> a(w * h), b(w * h);
    Random random(25);
    for (float &v : a) v = random.real() * 100;
    float *d[2] = {to_device(a), device_array<float>(w * h)};
    for (int s = 0; s < steps; s++) {
        step<<<dim3((w + TILE - 1) / TILE, (h + TILE - 1) / TILE), dim3(TILE, TILE)>>>(d[s & 1], d[(s + 1) & 1], w, h);
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                float l = a[y * w + std::max(x - 1, 0)], r = a[y * w + std::min(x + 1, w - 1)];
                float u = a[std::max(y - 1, 0) * w + x], o = a[std::min(y + 1, h - 1) * w + x];
                b[y * w + x] = a[y * w + x] * 0.5f + ((l + r) + (u + o)) * 0.125f;
            }
        }
        a.swap(b);
    }
    launched();
    expect_same("heat", to_host(d[steps & 1], w * h), a);
    return 0;
}
