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
int cuDeviceGetAttribute(int *value, int attribute, int device);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuEventCreate(void **event, unsigned int flags);
int cuEventDestroy_v2(void *event);
int cuEventQuery(void *event);
int cuEventRecord(void *event, void *stream);
int cuEventSynchronize(void *event);
int cuGraphAddBatchMemOpNode(void **node, void *graph, void *const *deps, size_t n, const void *params);
int cuGraphAddChildGraphNode(void **node, void *graph, void *const *deps, size_t n, void *child);
int cuGraphAddDependencies_v2(void *graph, void *const *from, void *const *to, const void *edges, size_t n);
int cuGraphAddEmptyNode(void **node, void *graph, void *const *deps, size_t n);
int cuGraphAddEventRecordNode(void **node, void *graph, void *const *deps, size_t n, void *event);
int cuGraphAddEventWaitNode(void **node, void *graph, void *const *deps, size_t n, void *event);
int cuGraphAddHostNode(void **node, void *graph, void *const *deps, size_t n, const void *params);
int cuGraphAddMemAllocNode(void **node, void *graph, void *const *deps, size_t n, void *params);
int cuGraphAddMemFreeNode(void **node, void *graph, void *const *deps, size_t n, uint64_t address);
int cuGraphAddMemcpyNode(void **node, void *graph, void *const *deps, size_t n, const void *params, void *context);
int cuGraphAddMemsetNode(void **node, void *graph, void *const *deps, size_t n, const void *params, void *context);
int cuGraphBatchMemOpNodeSetParams(void *node, const void *params);
int cuGraphDestroy(void *graph);
int cuGraphDestroyNode(void *node);
int cuGraphEventRecordNodeSetEvent(void *node, void *event);
int cuGraphEventWaitNodeSetEvent(void *node, void *event);
int cuGraphExecBatchMemOpNodeSetParams(void *exec, void *node, const void *params);
int cuGraphExecChildGraphNodeSetParams(void *exec, void *node, void *child);
int cuGraphExecEventRecordNodeSetEvent(void *exec, void *node, void *event);
int cuGraphExecEventWaitNodeSetEvent(void *exec, void *node, void *event);
int cuGraphExecHostNodeSetParams(void *exec, void *node, const void *params);
int cuGraphExecKernelNodeSetParams_v2(void *exec, void *node, const void *params);
int cuGraphExecMemcpyNodeSetParams(void *exec, void *node, const void *params, void *context);
int cuGraphExecMemsetNodeSetParams(void *exec, void *node, const void *params, void *context);
int cuGraphGetEdges(void *graph, void **from, void **to, size_t *count);
int cuGraphGetNodes(void *graph, void **nodes, size_t *count);
int cuGraphHostNodeSetParams(void *node, const void *params);
int cuGraphKernelNodeSetParams_v2(void *node, const void *params);
int cuGraphMemcpyNodeSetParams(void *node, const void *params);
int cuGraphMemsetNodeSetParams(void *node, const void *params);
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
		   void *stream, void **values, void **extra);
int cuLibraryGetModule(void **module, void *library);
int cuLinkAddData_v2(void *state, unsigned int type, void *data, size_t size, const char *name, unsigned int count, uint32_t *options,
		     void **values);
int cuLinkComplete(void *state, void **image, size_t *size);
int cuLinkCreate_v2(unsigned int count, uint32_t *options, void **values, void **state);
int cuLinkDestroy(void *state);
int cuMemFreeHost(void *p);
int cuMemHostAlloc(void **p, size_t size, unsigned int flags);
int cuModuleEnumerateFunctions(void **functions, unsigned int count, void *module);
int cuModuleGetFunctionCount(unsigned int *count, void *module);
int cuModuleLoadData(void **module, const void *image);
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int block_size, size_t shared);
int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, void *function, int block_size, size_t shared, unsigned flags);
int cuStreamWaitEvent(void *stream, void *event, unsigned int flags);
