// SPDX-License-Identifier: Apache-2.0
//
// A graph with kernels and copies, made by the driver API.
#include "driver.h"

int main() {
    CUcontext context = start();
    CUmodule module;
    CUfunction scale;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    int n = 300, by = 5;
    std::vector<int> in(n), out(n), want(n);
    for (int i = 0; i < n; i++) in[i] = i, want[i] = i * 25;
    CUdeviceptr d = device_ints(std::vector<int>(n, 0));
    CUgraph graph;
    CUgraphNode up, first, second, down;
    CU(cuGraphCreate(&graph, 0));
    CUDA_MEMCPY3D c = {};
    c.srcMemoryType = CU_MEMORYTYPE_HOST;
    c.srcHost = in.data();
    c.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    c.dstDevice = d;
    c.WidthInBytes = n * 4;
    c.Height = c.Depth = 1;
    CU(cuGraphAddMemcpyNode(&up, graph, nullptr, 0, &c, context));
    CUDA_KERNEL_NODE_PARAMS k = {};
    void *args[] = {&d, &n, &by};
    k.func = scale;
    k.gridDimX = 3;
    k.gridDimY = k.gridDimZ = k.blockDimY = k.blockDimZ = 1;
    k.blockDimX = 128;
    k.kernelParams = args;
    CU(cuGraphAddKernelNode(&first, graph, &up, 1, &k));
    CU(cuGraphAddKernelNode(&second, graph, &first, 1, &k));
    by = 1000; // the nodes have taken the value before
    c = {};
    c.srcMemoryType = CU_MEMORYTYPE_DEVICE;
    c.srcDevice = d;
    c.dstMemoryType = CU_MEMORYTYPE_HOST;
    c.dstHost = out.data();
    c.WidthInBytes = n * 4;
    c.Height = c.Depth = 1;
    CU(cuGraphAddMemcpyNode(&down, graph, &second, 1, &c, context));
    CUgraphExec exec;
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    CUstream s;
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    for (int r = 0; r < 4; r++) {
        for (int i = 0; i < n; i++) in[i] = i + r, want[i] = (i + r) * 25;
        CU(cuGraphLaunch(exec, s));
        CU(cuStreamSynchronize(s));
        expect_same("graph", out, want);
    }
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    return 0;
}
