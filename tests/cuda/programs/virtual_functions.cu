// SPDX-License-Identifier: Apache-2.0
//
// Objects made on the device, with virtual functions, inheritance and
// destructors.
#include "check.h"

struct Shape {
    int id;
    __device__ Shape(int id) : id(id) {}
    __device__ virtual float area() const = 0;
    __device__ virtual int corners() const { return 0; }
    __device__ virtual ~Shape() {}
};
struct Circle : Shape {
    float r;
    __device__ Circle(int id, float r) : Shape(id), r(r) {}
    __device__ float area() const override { return r * r * 3; }
};
struct Box : Shape {
    float w, h;
    int *ended;
    __device__ Box(int id, float w, float h, int *ended) : Shape(id), w(w), h(h), ended(ended) {}
    __device__ float area() const override { return w * h; }
    __device__ int corners() const override { return 4; }
    __device__ ~Box() override { atomicAdd(ended, 1); }
};
struct Square : Box {
    __device__ Square(int id, float w, int *ended) : Box(id, w, w, ended) {}
    __device__ int corners() const override { return 40 + id; }
};

__global__ void create(Shape **shapes, int *ended, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    switch (i % 3) {
    case 0: shapes[i] = new Circle(i, i * 0.5f); break;
    case 1: shapes[i] = new Box(i, i, 2, ended); break;
    default: shapes[i] = new Square(i, i, ended);
    }
}

__global__ void measure(Shape *const *shapes, float *areas, int *corners, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const Shape *s = shapes[n - 1 - i];
    areas[i] = s->area();
    corners[i] = s->corners();
}

__global__ void destroy(Shape **shapes, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) delete shapes[i];
}

int main() {
    const int n = 200;
    Shape **shapes = device_array<Shape *>(n);
    int *ended = to_device(std::vector<int>{0}), *corners = device_array<int>(n);
    float *areas = device_array<float>(n);
    create<<<2, 128>>>(shapes, ended, n);
    measure<<<2, 128>>>(shapes, areas, corners, n);
    launched();
    std::vector<float> aw(n);
    std::vector<int> cw(n);
    int boxes = 0;
    for (int k = 0; k < n; k++) {
        int i = n - 1 - k;
        aw[k] = i % 3 == 0 ? i * 0.5f * (i * 0.5f) * 3 : i % 3 == 1 ? i * 2.0f : (float)i * i;
        cw[k] = i % 3 == 0 ? 0 : i % 3 == 1 ? 4 : 40 + i;
        boxes += i % 3 != 0;
    }
    expect_same("areas", to_host(areas, n), aw);
    expect_same("corners", to_host(corners, n), cw);
    destroy<<<2, 128>>>(shapes, n);
    launched();
    expect_same("destroyed", to_host(ended, 1), std::vector<int>{boxes});
    return 0;
}
