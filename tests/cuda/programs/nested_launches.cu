// SPDX-License-Identifier: Apache-2.0
//
// Kernels that launch kernels: trees of them, order within a stream and between streams by events, what follows a grid
// with all its children, parameters of every size, errors.
// arch: 70
// flags: -rdc=true
// link: -rdc=true -gencode arch=compute_75,code=compute_75 -Wno-deprecated-gpu-targets -lcudadevrt
#include "check.h"

#if CUDART_VERSION >= 12000
__device__ unsigned ticket;

__global__ void leaf(unsigned *order, int at) { order[at] = atomicAdd(&ticket, 1); }

// Each thread of a node has two children, down to a depth.
__global__ void tree(unsigned *count, int depth) {
    atomicAdd(count + depth, 1);
    if (depth < 4) tree<<<1, 2>>>(count, depth + 1);
}

struct Large { int values[300]; };
__global__ void sum(Large l, const char *skewed, int *out) {
    int s = 0;
    for (int v : l.values) s += v;
    *out = s + skewed[0];
}
__global__ void pass(char *text, int *out) {
    Large l;
    for (int i = 0; i < 300; i++) l.values[i] = i + threadIdx.x;
    sum<<<1, 1>>>(l, text + threadIdx.x, out + threadIdx.x);
}

// The tail comes last, though it is launched first, and after what its siblings launch.
__global__ void grandparent(unsigned *order) { leaf<<<1, 1>>>(order, 2); }
__global__ void ordered(unsigned *order) {
    cudaStream_t s, t;
    cudaEvent_t e;
    leaf<<<1, 1, 0, cudaStreamTailLaunch>>>(order, 4);
    cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&t, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    leaf<<<1, 1, 0, s>>>(order, 0);
    leaf<<<1, 1, 0, s>>>(order, 1);
    grandparent<<<1, 1, 0, s>>>(order);
    cudaEventRecord(e, s);
    cudaStreamWaitEvent(t, e, 0);
    leaf<<<1, 1, 0, t>>>(order, 3);
    cudaEventDestroy(e);
    cudaStreamDestroy(s);
    cudaStreamDestroy(t);
}

__global__ void wrong(int *errors, unsigned *order) {
    errors[0] = cudaGetLastError();
    leaf<<<1, 4096>>>(order, 0);
    errors[1] = cudaPeekAtLastError();
    errors[2] = cudaGetLastError();
    errors[3] = cudaGetLastError();
}

// What the device runtime does by kernels of its own.
__global__ void copy(int *to, const int *from, int n) {
    cudaMemsetAsync(to, 0, 4 * n, 0);
    cudaMemcpyAsync(to + 1, from, 4 * (n - 2), cudaMemcpyDeviceToDevice, 0);
}

__global__ void dynamic(int *out) {
    extern __shared__ int mine[];
    mine[threadIdx.x] = threadIdx.x;
    __syncthreads();
    if (threadIdx.x == 0) *out = mine[blockDim.x - 1] + gridDim.y * 100;
}
__global__ void shaped(int *out) { dynamic<<<dim3(2, 3), dim3(16, 2, 1), 32 * 4>>>(out); }

int main() {
    unsigned *count = to_device(std::vector<unsigned>(5, 0)), *order = device_array<unsigned>(5);
    tree<<<1, 2>>>(count, 0);
    launched();
    expect_same("nodes of the tree", to_host(count, 5), std::vector<unsigned>{2, 4, 8, 16, 32});

    ordered<<<1, 1>>>(order);
    leaf<<<1, 1>>>(count, 0); // a stream goes on when the children have ended
    launched();
    expect_same("order", to_host(order, 5), std::vector<unsigned>{0, 1, 2, 3, 4});
    expect_same("what follows", to_host(count, 1), std::vector<unsigned>(1, 5));

    char *text = to_device(std::vector<char>{10, 20, 30});
    int *out = device_array<int>(3);
    pass<<<1, 3>>>(text, out);
    launched();
    expect_same("sums of parameters", to_host(out, 3), std::vector<int>{44860, 45170, 45480});

    int *errors = device_array<int>(4);
    wrong<<<1, 1>>>(errors, order);
    launched();
    auto got = to_host(errors, 4);
    EXPECT(got[0] == 0 && got[1] != 0 && got[2] == got[1] && got[3] == 0, "errors of a launch that is wrong: %d %d %d %d", got[0],
           got[1], got[2], got[3]);

    std::vector<int> values(1000), want(1000);
    for (int i = 0; i < 998; i++) want[i + 1] = values[i] = i * i;
    int *from = to_device(values), *to = device_array<int>(1000);
    copy<<<1, 1>>>(to, from, 1000);
    launched();
    expect_same("copies", to_host(to, 1000), want);

    shaped<<<1, 1>>>(out);
    launched();
    expect_same("the shape", to_host(out, 1), std::vector<int>(1, 315));
    return 0;
}
#else
int main() { SKIP("needs CUDA 12, whose kernels do not wait for those that they launch"); }
#endif
