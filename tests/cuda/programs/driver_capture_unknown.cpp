// SPDX-License-Identifier: Apache-2.0
//
// A capture takes fills of memory that is not there, and refuses copies of it without being ended by that: libraries capture
// their own work with made-up addresses, to look at its kernels. A launch that is refused ends a capture.
#include "driver.h"

#if CUDA_VERSION >= 11030
static CUstream s;

static void expect_nodes(const char *name, size_t want) {
    CUgraph graph;
    size_t n = 0;
    EXPECT_CU(cuStreamEndCapture(s, &graph), CUDA_SUCCESS);
    CU(cuGraphGetNodes(graph, nullptr, &n));
    EXPECT(n == want, "%s: %zu nodes, want %zu", name, n, want);
    CU(cuGraphDestroy(graph));
}

int main() {
    CUcontext context = start();
    CUmodule module;
    CUfunction scale;
    CUdeviceptr gone, d;
    void *pinned;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    CU(cuMemAllocHost(&pinned, 4096));
    CU(cuMemAlloc(&d, 4096));
    CU(cuMemAlloc(&gone, 64 << 20));
    CU(cuMemFree(gone));
    for (CUdeviceptr nowhere : {gone, (CUdeviceptr)0x10000, (CUdeviceptr)0}) {
        CU(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
        CU(cuMemsetD8Async(nowhere, 1, 100, s));
        CU(cuMemsetD32Async(nowhere, 1, 100, s));
        CU(cuMemsetD2D32Async(nowhere, 1024, 1, 10, 10, s));
        EXPECT_CU(cuMemcpyDtoDAsync(d, nowhere, 100, s), CUDA_ERROR_INVALID_VALUE);
        EXPECT_CU(cuMemcpyDtoDAsync(nowhere, d, 100, s), CUDA_ERROR_INVALID_VALUE);
        EXPECT_CU(cuMemcpyHtoDAsync(nowhere, pinned, 100, s), CUDA_ERROR_INVALID_VALUE);
        EXPECT_CU(cuMemcpyDtoHAsync(pinned, nowhere, 100, s), CUDA_ERROR_INVALID_VALUE);
        int n = 100, by = 2;
        void *args[] = {&nowhere, &n, &by};
        CU(cuLaunchKernel(scale, 1, 1, 1, 100, 1, 1, 0, s, args, nullptr));
        expect_nodes("what is nowhere", 4);
    }

    CUgraph graph;
    int n = 100, by = 2;
    void *args[] = {&d, &n, &by};
    CU(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
    EXPECT_CU(cuLaunchKernel(scale, 0, 1, 1, 100, 1, 1, 0, s, args, nullptr), CUDA_ERROR_INVALID_VALUE);
    EXPECT_CU(cuStreamEndCapture(s, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

    CU(cuMemsetD32Async(d, 7, 100, s));
    CU(cuLaunchKernel(scale, 1, 1, 1, 100, 1, 1, 0, s, args, nullptr));
    CU(cuStreamSynchronize(s));
    expect_same("what is there", host_ints(d, 100), std::vector<int>(100, 14));
    CU(cuMemFree(d));
    CU(cuMemFreeHost(pinned));
    CU(cuCtxDestroy(context));
    return 0;
}
#else
int main() { SKIP("CUDA is older than this test's calls"); }
#endif
