// SPDX-License-Identifier: Apache-2.0
//
// Allocation from kernels: blocks that do not overlap, live from one launch to
// another, and NULL when the heap is full.
#include "check.h"

struct Node { int value; Node *next; };

__global__ void build(Node **lists, int length) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    Node *head = nullptr;
    for (int i = 0; i < length; i++) {
        Node *n = (Node *)malloc(sizeof(Node));
        if (!n) break;
        n->value = t * 100 + i;
        n->next = head;
        head = n;
    }
    lists[t] = head;
}

__global__ void consume(Node **lists, int *sums) {
    int t = blockIdx.x * blockDim.x + threadIdx.x, sum = 0, count = 0;
    for (Node *n = lists[t]; n;) {
        sum += n->value * ++count;
        Node *next = n->next;
        free(n);
        n = next;
    }
    sums[t] = sum;
}

__global__ void arrays(int *out) {
    int t = threadIdx.x;
    int *a = new int[t + 1];
    for (int i = 0; i <= t; i++) a[i] = i * t;
    int s = 0;
    for (int i = 0; i <= t; i++) s += a[i];
    out[t] = ((size_t)a % 16 == 0) ? s : -1;
    delete[] a;
}

__global__ void too_much(int *out) {
    void *p = malloc((size_t)1 << 40);
    *out = p == nullptr;
    free(nullptr);
}

int main() {
    CHECK(cudaDeviceSetLimit(cudaLimitMallocHeapSize, 16 << 20));
    const int n = 128, length = 10;
    Node **lists = device_array<Node *>(n);
    int *sums = device_array<int>(n);
    std::vector<int> want(n);
    for (int t = 0; t < n; t++)
        for (int i = 0; i < length; i++) want[t] += (t * 100 + i) * (length - i);
    for (int round = 0; round < 3; round++) {
        build<<<2, n / 2>>>(lists, length);
        consume<<<2, n / 2>>>(lists, sums);
        launched();
        expect_same("lists", to_host(sums, n), want);
    }
    arrays<<<1, 64>>>(sums);
    launched();
    want.resize(64);
    for (int t = 0; t < 64; t++) want[t] = t * t * (t + 1) / 2;
    expect_same("arrays", to_host(sums, 64), want);
    too_much<<<1, 1>>>(sums);
    launched();
    expect_same("too much", to_host(sums, 1), std::vector<int>{1});
    return 0;
}
