// SPDX-License-Identifier: Apache-2.0
/*
 * Exported functions that other files of the library call too. There is no cuda.h here: the library stands in
 * for what that header describes, and must not need it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

int cuCtxGetId(void *context, uint64_t *id);
int cuCtxSynchronize_v2(void *context);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuGraphAddChildGraphNode(void **node, void *graph, void *const *deps, size_t n, void *child);
int cuGraphAddEmptyNode(void **node, void *graph, void *const *deps, size_t n);
int cuGraphAddEventRecordNode(void **node, void *graph, void *const *deps, size_t n, void *event);
int cuGraphAddEventWaitNode(void **node, void *graph, void *const *deps, size_t n, void *event);
int cuGraphAddMemsetNode(void **node, void *graph, void *const *deps, size_t n, const void *params, void *context);
int cuGraphGetEdges(void *graph, void **from, void **to, size_t *count);
int cuGraphGetNodes(void *graph, void **nodes, size_t *count);
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
		   void *stream, void **values, void **extra);
int cuLibraryGetModule(void **module, void *library);
int cuMemFreeHost(void *p);
int cuMemHostAlloc(void **p, size_t size, unsigned int flags);
int cuModuleEnumerateFunctions(void **functions, unsigned int count, void *module);
int cuModuleGetFunctionCount(unsigned int *count, void *module);
int cuModuleLoadData(void **module, const void *image);
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int block_size, size_t shared);
int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, void *function, int block_size, size_t shared, unsigned flags);
int cuUserObjectRelease(void *object, unsigned int count);
int cuUserObjectRetain(void *object, unsigned int count);
