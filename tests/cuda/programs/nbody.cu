// SPDX-License-Identifier: Apache-2.0
//
// Bodies that attract one another, in double precision: steps of the motion
// agree with the CPU's, and momentum stays.
#include "check.h"

#define TILE 64

__host__ __device__ void attract(double3 p, double4 other, double3 &a) {
    double dx = other.x - p.x, dy = other.y - p.y, dz = other.z - p.z;
    double r2 = dx * dx + dy * dy + dz * dz + 0.01;
    double f = other.w / (r2 * sqrt(r2));
    a.x += dx * f;
    a.y += dy * f;
    a.z += dz * f;
}

__host__ __device__ void advance(double4 &p, double3 &v, double3 a) {
    const double dt = 0.01;
    v.x += a.x * dt;
    v.y += a.y * dt;
    v.z += a.z * dt;
    p.x += v.x * dt;
    p.y += v.y * dt;
    p.z += v.z * dt;
}

__global__ void step(const double4 *in, double4 *out, double3 *velocity, int n) {
    __shared__ double4 tile[TILE];
    int i = blockIdx.x * TILE + threadIdx.x;
    double4 p = i < n ? in[i] : make_double4(0, 0, 0, 0);
    double3 a = make_double3(0, 0, 0);
    for (int base = 0; base < n; base += TILE) {
        tile[threadIdx.x] = base + (int)threadIdx.x < n ? in[base + threadIdx.x] : make_double4(0, 0, 0, 0);
        __syncthreads();
        for (int k = 0; k < TILE; k++) attract(make_double3(p.x, p.y, p.z), tile[k], a);
        __syncthreads();
    }
    if (i >= n) return;
    double3 v = velocity[i];
    advance(p, v, a);
    out[i] = p;
    velocity[i] = v;
}

int main() {
    const int n = 200, steps = 5;
    std::vector<double4> p(n), next(n);
    std::vector<double3> v(n);
    Random random(24);
    for (int i = 0; i < n; i++) {
        p[i] = make_double4(random.real() * 2 - 1, random.real() * 2 - 1, random.real() * 2 - 1, random.real() + 0.1);
        v[i] = make_double3(random.real() - 0.5, random.real() - 0.5, random.real() - 0.5);
    }
    double4 *d[2] = {to_device(p), device_array<double4>(n)};
    double3 *dv = to_device(v);
    for (int s = 0; s < steps; s++) {
        step<<<(n + TILE - 1) / TILE, TILE>>>(d[s & 1], d[(s + 1) & 1], dv, n);
        for (int i = 0; i < n; i++) {
            double3 a = make_double3(0, 0, 0);
            for (int k = 0; k < n; k++) attract(make_double3(p[i].x, p[i].y, p[i].z), p[k], a);
            next[i] = p[i];
            advance(next[i], v[i], a);
        }
        p = next;
    }
    launched();
    std::vector<double4> got = to_host(d[steps & 1], n);
    std::vector<double> g, w;
    for (int i = 0; i < n; i++) {
        for (double c : {got[i].x, got[i].y, got[i].z}) g.push_back(c);
        for (double c : {p[i].x, p[i].y, p[i].z}) w.push_back(c);
    }
    expect_close("positions", g, w, 1e-11); // the GPU fuses products and sums
    return 0;
}
