// SPDX-License-Identifier: Apache-2.0
//
// printf from kernels: every kind of conversion, in the order of the launches,
// on the program's own standard output.
#include "check.h"

__global__ void formats() {
    printf("integers %d %i %u %x %X %o %c\n", -5, 17, 3000000000u, 0xbeef, 0xBEEF, 8, 'z');
    printf("long %ld %lld %lu %llx\n", -1234567890123L, -1LL << 62, 9876543210UL, 0xfedcba9876543210ULL);
    printf("floats %f %.3f %e %g %10.2f|%-8.1f|\n", 1.5, 3.14159f, 12345.678, 0.0001, 2.5, 7.25);
    printf("strings %s %10s|%-6s|\n", "one", "two", "three");
    printf("width %5d|%-5d|%05d|%+d %%\n", 42, 42, 42, 42);
    printf("no arguments\n");
    printf("special %f %f %f\n", INFINITY, -INFINITY, 0.0 * -1.0);
}

__global__ void lane(int i) {
    if ((int)threadIdx.x == i) printf("thread %d of block %d says %g\n", threadIdx.x, blockIdx.x, i * 0.5);
}

__global__ void everyone() { printf("the same\n"); }

__global__ void result(int *out) { *out = printf("%d arguments\n", 1) + printf("none\n") * 10; }

int main() {
    formats<<<1, 1>>>();
    launched();
    for (int i = 0; i < 40; i += 13) lane<<<1, 64>>>(i);
    launched();
    fflush(stdout);
    everyone<<<2, 33>>>();
    launched();
    int *out = device_array<int>(1);
    result<<<1, 1>>>(out);
    launched();
    // printf of a kernel returns how many arguments it took.
    expect_same("result", to_host(out, 1), std::vector<int>{1});
    size_t size = 0;
    CHECK(cudaDeviceGetLimit(&size, cudaLimitPrintfFifoSize));
    EXPECT(size > 0, "the buffer for printf has no size");
    // What is not waited for still comes out at the end of the program.
    lane<<<1, 32>>>(31);
    CHECK(cudaDeviceReset());
    return 0;
}
