// SPDX-License-Identifier: Apache-2.0
//
// An instance of a graph that kernels may launch is one as others are, for the host: launched, asked, changed, ended.
#include "driver.h"

#if CUDA_VERSION >= 12000
int main() {
    CUcontext context = start();
    CUmodule module;
    CUfunction scale;
    CUstream s;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    std::vector<int> want = {1, 2, 3, 4};
    CUdeviceptr d = device_ints(want);

    CUgraph graph;
    CUgraphNode node;
    CU(cuGraphCreate(&graph, 0));
    int n = 4, by = 3;
    void *args[] = {&d, &n, &by};
    CUDA_KERNEL_NODE_PARAMS k = {};
    k.func = scale, k.gridDimX = k.gridDimY = k.gridDimZ = 1, k.blockDimX = 4, k.blockDimY = k.blockDimZ = 1;
    k.kernelParams = args;
    CU(cuGraphAddKernelNode(&node, graph, nullptr, 0, &k));
    CUDA_GRAPH_INSTANTIATE_PARAMS p = {};
    p.flags = CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD;
    p.hUploadStream = s;
    CUgraphExec exec, second, ordinary;
    CU(cuGraphInstantiateWithParams(&exec, graph, &p));
    EXPECT(p.result_out == CUDA_GRAPH_INSTANTIATE_SUCCESS, "the result is %d", p.result_out);
    CU(cuGraphInstantiateWithFlags(&ordinary, graph, 0));
    CU(cuGraphExecDestroy(ordinary));
    cuuint64_t flags = 0;
    CU(cuGraphExecGetFlags(exec, &flags));
    EXPECT(flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH, "the flags are %llu", (unsigned long long)flags);

    CU(cuGraphLaunch(exec, s));
    by = 5;
    CU(cuGraphExecKernelNodeSetParams(exec, node, &k));
    CU(cuGraphUpload(exec, s));
    CU(cuGraphLaunch(exec, s));
    CU(cuStreamSynchronize(s));
    for (int &w : want) w *= 3 * 5;
    expect_same("after two launches", host_ints(d, 4), want);
    CU(cuGraphExecDestroy(exec));

    // A host function is not for kernels to launch.
    CUgraph other;
    CUDA_HOST_NODE_PARAMS h = {};
    h.fn = [](void *) {};
    CU(cuGraphCreate(&other, 0));
    CU(cuGraphAddHostNode(&node, other, nullptr, 0, &h));
    CUresult r = cuGraphInstantiateWithFlags(&second, other, CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH);
    EXPECT(r != CUDA_SUCCESS, "a graph with a host function can be launched by kernels");
    CU(cuGraphDestroy(other));
    CU(cuGraphDestroy(graph));
    CU(cuCtxDestroy(context));
    return 0;
}
#else
int main() { SKIP("graphs for launches from kernels came with CUDA 12.0"); }
#endif
