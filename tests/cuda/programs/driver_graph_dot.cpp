// SPDX-License-Identifier: Apache-2.0
//
// Drawings of graphs name their kernels, and say more when asked for more.
#include <string>
#include <unistd.h>

#include "driver.h"

#if CUDA_VERSION >= 11030
static std::string drawing(CUgraph graph, unsigned flags) {
    char path[] = "/tmp/drawing-XXXXXX";
    int fd = mkstemp(path);
    EXPECT(fd >= 0, "no temporary file");
    CU(cuGraphDebugDotPrint(graph, path, flags));
    FILE *f = fopen(path, "r");
    EXPECT(f, "the drawing is not at %s", path);
    std::string text;
    char page[4096];
    for (size_t n; (n = fread(page, 1, sizeof page, f)) > 0;) text.append(page, n);
    fclose(f);
    close(fd);
    unlink(path);
    EXPECT(text.find("digraph") == 0, "the drawing begins with \"%.20s\"", text.c_str());
    EXPECT(text.find_last_of('}') + 2 >= text.size(), "the drawing has no end");
    return text;
}

static size_t count(const std::string &text, const char *what) {
    size_t n = 0;
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at++) n++;
    return n;
}

int main() {
    start();
    CUmodule module;
    CUfunction scale, add;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CU(cuModuleGetFunction(&add, module, "add"));
    CUdeviceptr d = device_ints(std::vector<int>(4, 1));
    CUgraph graph, child;
    CUgraphNode node = nullptr;
    int n = 4, by = 2;
    void *args[] = {&d, &n, &by}, *sum[] = {&d, &d, &d, &n};
    CUDA_KERNEL_NODE_PARAMS k = {};
    k.func = scale;
    k.gridDimX = k.gridDimY = k.gridDimZ = k.blockDimX = k.blockDimY = k.blockDimZ = 1;
    k.kernelParams = args;
    CU(cuGraphCreate(&graph, 0));
    const size_t kernels = 200; // a drawing of many pages
    for (size_t i = 0; i < kernels; i++) CU(cuGraphAddKernelNode(&node, graph, &node, i > 0, &k));
    CU(cuGraphCreate(&child, 0));
    k.func = add;
    k.kernelParams = sum;
    CU(cuGraphAddKernelNode(&node, child, nullptr, 0, &k));
    CU(cuGraphAddChildGraphNode(&node, graph, nullptr, 0, child));

    std::string plain = drawing(graph, 0), verbose = drawing(graph, CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE);
    for (const std::string *text : {&plain, &verbose}) {
        EXPECT(count(*text, "scale") >= kernels, "%zu of %zu kernels are in the drawing", count(*text, "scale"), kernels);
        EXPECT(count(*text, "->") >= kernels - 1, "%zu edges of %zu are in the drawing", count(*text, "->"), kernels - 1);
    }
    EXPECT(plain != verbose, "more is not more");
    CU(cuGraphDestroy(child));
    CU(cuGraphDestroy(graph));
    return 0;
}
#else
int main() { SKIP("cuGraphDebugDotPrint came with CUDA 11.3"); }
#endif
