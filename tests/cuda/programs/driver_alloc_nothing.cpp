// SPDX-License-Identifier: Apache-2.0
//
// An allocation of no bytes is allowed, as is to free it, and a graph that captures both runs.
#include "driver.h"

int main() {
    start();
    CUstream s;
    CUdeviceptr p = 1, d = device_ints(std::vector<int>(1, 3));
    CUgraph graph;
    CUgraphExec exec;
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    CU(cuMemAllocAsync(&p, 0, s));
    EXPECT(p == 0, "nothing is at %llx", p);
    CU(cuMemFreeAsync(p, s));
    CU(cuMemFreeAsync(0, nullptr));
    CU(cuStreamSynchronize(s));
    for (CUstreamCaptureMode mode : {CU_STREAM_CAPTURE_MODE_GLOBAL, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, CU_STREAM_CAPTURE_MODE_RELAXED}) {
        CU(cuStreamBeginCapture(s, mode));
        CU(cuMemAllocAsync(&p, 0, s));
        CU(cuMemFreeAsync(0, s));
        CU(cuMemsetD32Async(d, 4 + mode, 1, s));
        CU(cuStreamEndCapture(s, &graph));
        CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
        CU(cuGraphLaunch(exec, s));
        CU(cuStreamSynchronize(s));
        expect_same("beside nothing", host_ints(d, 1), {4 + (int)mode});
        CU(cuGraphExecDestroy(exec));
        CU(cuGraphDestroy(graph));
    }
    return 0;
}
