// SPDX-License-Identifier: Apache-2.0
//
// Asking for events again and again: a query tells the truth of the latest record, whoever made it, at any time.
#include "check.h"

__global__ void add(volatile int *counter, int rounds) {
    unsigned x = 1;
    for (int i = 0; i < rounds; i++) x = x * 1664525u + 1013904223u;
    *counter = *counter + 1 + (x == 12345u);
}

// wait_by_query polls, and gives up when that takes too long.
static void wait_by_query(cudaEvent_t e) {
    cudaError_t r;
    for (long n = 0; (r = cudaEventQuery(e)) == cudaErrorNotReady; n++) EXPECT(n < 2000000000l, "the event never completes");
    CHECK(r);
    cudaGetLastError();
}

int main() {
    int *counter;
    CHECK(cudaMallocHost(&counter, sizeof *counter));
    *counter = 0;
    cudaStream_t a, b;
    CHECK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    cudaEvent_t e;
    CHECK(cudaEventCreateWithFlags(&e, cudaEventDisableTiming));
    CHECK(cudaEventQuery(e));

    // When a query says complete, what came before the record has happened.
    for (int i = 1; i <= 300; i++) {
        add<<<1, 1, 0, a>>>(counter, i % 3 ? 10 : 3000);
        CHECK(cudaEventRecord(e, a));
        if (i % 2)
            wait_by_query(e);
        else
            CHECK(cudaEventSynchronize(e));
        EXPECT(*(volatile int *)counter == i, "%d kernels have run, the event stands for %d", *counter, i);
        CHECK(cudaEventQuery(e));
    }
    // Recorded twice, the later one counts; across streams too.
    for (int i = 0; i < 50; i++) {
        CHECK(cudaEventRecord(e, b));
        add<<<1, 1, 0, a>>>(counter, 3000);
        CHECK(cudaEventRecord(e, a));
        wait_by_query(e);
        EXPECT(*(volatile int *)counter == 301 + i, "%d kernels have run, the event stands for %d", *counter, 301 + i);
    }
    // An event recorded by a graph's node is complete when the graph has come there.
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaGraphNode_t kernel, record;
    CHECK(cudaGraphCreate(&graph, 0));
    int rounds = 200000;
    void *args[] = {&counter, &rounds};
    cudaKernelNodeParams p = {};
    p.func = (void *)add;
    p.gridDim = p.blockDim = dim3(1);
    p.kernelParams = args;
    CHECK(cudaGraphAddKernelNode(&kernel, graph, NULL, 0, &p));
    CHECK(cudaGraphAddEventRecordNode(&record, graph, &kernel, 1, e));
    CHECK(cudaGraphInstantiate(&exec, graph, NULL, NULL, 0));
    for (int i = 1; i <= 3; i++) {
        CHECK(cudaGraphLaunch(exec, a));
        CHECK(cudaStreamSynchronize(a));
        CHECK(cudaEventQuery(e));
        CHECK(cudaGraphLaunch(exec, a));
        wait_by_query(e);
        CHECK(cudaStreamSynchronize(a));
        EXPECT(*(volatile int *)counter == 350 + 2 * i, "%d kernels have run, want %d", *counter, 350 + 2 * i);
    }
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));

    // More events than a session keeps words for, asked for twice each; and such that come and go.
    std::vector<cudaEvent_t> many(20000);
    for (cudaEvent_t &m : many) CHECK(cudaEventCreateWithFlags(&m, cudaEventDisableTiming));
    for (int round = 0; round < 2; round++) {
        add<<<1, 1, 0, a>>>(counter, 1000);
        CHECK(cudaGetLastError());
        for (cudaEvent_t m : many) CHECK(cudaEventRecord(m, a));
        for (cudaEvent_t m : many) wait_by_query(m);
    }
    EXPECT(*(volatile int *)counter == 358, "%d kernels have run, want 358", *counter);
    for (cudaEvent_t m : many) CHECK(cudaEventDestroy(m));
    for (int i = 0; i < 200; i++) {
        cudaEvent_t fresh;
        CHECK(cudaEventCreate(&fresh));
        CHECK(cudaEventQuery(fresh));
        add<<<1, 1, 0, b>>>(counter, 10);
        CHECK(cudaEventRecord(fresh, b));
        wait_by_query(fresh);
        EXPECT(*(volatile int *)counter == 359 + i, "%d kernels have run, the event stands for %d", *counter, 359 + i);
        CHECK(cudaEventRecord(fresh, b)); // still on its way, perhaps, when the event goes
        CHECK(cudaEventDestroy(fresh));
    }
    CHECK(cudaDeviceSynchronize());
    return 0;
}
