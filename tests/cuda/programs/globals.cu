// SPDX-License-Identifier: Apache-2.0
//
// Global variables of device code: initialised, pointers among them, reached
// from the host by symbol.
#include "check.h"

__device__ int counter = 42;
__device__ double values[3] = {1.5, -2.5, 1e300};
__device__ int *pointer;
__device__ int target[4] = {7, 8, 9, 10};
__device__ int *points_at = &target[2]; // needs a relocation
__device__ const char text[] = "device text";
static __device__ unsigned long long large[1000];
struct Pair { short a; float b; };
__device__ Pair pairs[2] = {{1, 2.5f}, {-3, 4.5f}};

__global__ void use(double *out) {
    out[0] = counter++;
    out[1] = values[0] + values[1];
    out[2] = *points_at;
    out[3] = pointer ? *pointer : -1;
    out[4] = text[7];
    out[5] = pairs[1].a + pairs[1].b;
    for (int i = 0; i < 1000; i++) large[i] += i;
    out[6] = (double)large[999];
}

int main() {
    double *out = device_array<double>(7);
    use<<<1, 1>>>(out);
    launched();
    expect_same("first", to_host(out, 7), std::vector<double>{42, -1, 9, -1, 't', 1.5, 999});

    int value = 0;
    CHECK(cudaMemcpyFromSymbol(&value, counter, sizeof value));
    EXPECT(value == 43, "counter is %d, want 43", value);
    value = 1000;
    CHECK(cudaMemcpyToSymbol(counter, &value, sizeof value));
    double second = 100;
    CHECK(cudaMemcpyToSymbolAsync(values, &second, sizeof second, sizeof(double), cudaMemcpyHostToDevice, 0));

    void *address = nullptr;
    size_t size = 0;
    CHECK(cudaGetSymbolAddress(&address, target));
    CHECK(cudaGetSymbolSize(&size, target));
    EXPECT(size == sizeof(int) * 4, "size is %zu, want 16", size);
    CHECK(cudaMemcpyToSymbol(pointer, &address, sizeof address));
    int nine = 99;
    CHECK(cudaMemcpy((char *)address + 8, &nine, sizeof nine, cudaMemcpyHostToDevice));
    use<<<1, 1>>>(out);
    launched();
    expect_same("second", to_host(out, 7), std::vector<double>{1000, 101.5, 99, 7, 't', 1.5, 1998});
    CHECK(cudaGetSymbolSize(&size, large));
    EXPECT(size == 8000, "size is %zu, want 8000", size);
    EXPECT_ERROR(cudaMemcpyToSymbol(target, &nine, sizeof nine, sizeof(int) * 4), cudaErrorInvalidValue);
    return 0;
}
