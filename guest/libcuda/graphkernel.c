// SPDX-License-Identifier: Apache-2.0
/* Kernel nodes of graphs. */
#include <stdlib.h>

#include "call.h"
#include "generated/calls.h"
#include "graph.h"
#include "launch.h"
#include "object.h"
#include "state.h"

/* The fields of CUDA_KERNEL_NODE_PARAMS; version 2 adds a kernel and a context. */

static int kernel_read(const uint8_t *p, bool v2, struct launch *l, struct params *params)
{
	void *function, *kernel = NULL, **values, **extra;
	memcpy(&function, p, 8);
	memcpy(l->grid, p + 8, 12);
	memcpy(l->block, p + 20, 12);
	memcpy(&l->shared, p + 32, 4);
	memcpy(&values, p + 40, 8);
	memcpy(&extra, p + 48, 8);
	if (v2)
		memcpy(&kernel, p + 56, 8);
	l->function = function_get(function ? function : kernel);
	if (!l->function)
		return CUDA_ERROR_INVALID_VALUE;
	int r = thread.context ? launch_check(l) : CUDA_SUCCESS;
	return r ? r : params_find(values, extra, params);
}

static int kernel_pack(const struct launch *l, const struct params *params, uint8_t **bytes)
{
	const struct function *f = function_of(l->function);
	int r = params_check(f, params);
	if (r)
		return r;
	*bytes = calloc(1, f->param_bytes + 8);
	if (!*bytes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	params_pack(f, params, *bytes);
	return CUDA_SUCCESS;
}

/* A kernel node's parameters, as CUDA returns them: pointers to each. Programs keep the array and what it points
 * to, and change that in place, so that it stays where it is. */
struct kernel_params {
	uint32_t count, bytes;
	void *values[]; /* then the packed parameters */
};

static void kernel_keep(struct object *node, const struct function *f, const uint8_t *bytes)
{
	struct kernel_params *k = node->data;
	if (!k || k->count != f->param_count || k->bytes != f->param_bytes) {
		free(k);
		node->data = k = malloc(sizeof *k + f->param_count * sizeof *k->values + f->param_bytes + 8);
	}
	if (!k)
		return;
	k->count = f->param_count;
	k->bytes = f->param_bytes;
	uint8_t *copy = (uint8_t *)(k->values + f->param_count);
	memcpy(copy, bytes, f->param_bytes);
	for (uint32_t i = 0; i < f->param_count; i++)
		k->values[i] = copy + f->params[i].offset;
}

int graph_add_kernel(void **node, void *graph, void *const *deps, const void *edges, size_t n, const uint8_t *p, bool v2)
{
	struct launch l = {0};
	struct params params;
	uint8_t *bytes = NULL;
	int r = enter();
	if (!r && (!p || !node))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = kernel_read(p, v2, &l, &params);
	if (!r)
		r = kernel_pack(&l, &params, &bytes);
	if (!r)
		r = wire_graph_add_kernel(node, graph, deps, edges, n, l.function, NULL, l.grid[0], l.grid[1], l.grid[2], l.block[0], l.block[1],
					  l.block[2], l.shared, bytes, function_of(l.function)->param_bytes);
	if (!r) {
		kernel_keep(*node, function_of(l.function), bytes);
		((struct object *)*node)->extra[2] = (uint64_t)(uintptr_t)l.function;
	}
	free(bytes);
	return r;
}

EXPORT int cuGraphAddKernelNode_v2(void **node, void *graph, void *const *deps, size_t n, const void *p)
{
	return graph_add_kernel(node, graph, deps, NULL, n, p, true);
}

EXPORT int cuGraphAddKernelNode(void **node, void *graph, void *const *deps, size_t n, const void *p)
{
	return graph_add_kernel(node, graph, deps, NULL, n, p, false);
}

static int set_kernel(void *exec, void *node, const uint8_t *p, bool v2)
{
	struct launch l = {0};
	struct params params;
	uint8_t *bytes = NULL;
	int r = enter();
	if (!r && !p)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !object_get(node, KIND_NODE))
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r)
		r = kernel_read(p, v2, &l, &params);
	if (!r)
		r = kernel_pack(&l, &params, &bytes);
	/* A function that the node had or accepted before cannot be refused: no need to wait. */
	struct object *o = object_get(node, KIND_NODE);
	bool accepted = !r && exec && o->extra[2] == (uint64_t)(uintptr_t)l.function && object_get(exec, KIND_EXEC);
	if (!r)
		r = (accepted ? wire_graph_update_kernel : wire_graph_set_kernel)(exec, node, l.function, NULL, l.grid[0], l.grid[1], l.grid[2],
			l.block[0], l.block[1], l.block[2], l.shared, bytes, function_of(l.function)->param_bytes);
	if (!r && !exec)
		kernel_keep(node, function_of(l.function), bytes);
	if (!r)
		o->extra[2] = (uint64_t)(uintptr_t)l.function;
	if (!r && accepted)
		r = call_deferred();
	free(bytes);
	return r;
}

EXPORT int cuGraphKernelNodeSetParams_v2(void *node, const void *p) { return set_kernel(NULL, node, p, true); }
EXPORT int cuGraphKernelNodeSetParams(void *node, const void *p) { return set_kernel(NULL, node, p, false); }
EXPORT int cuGraphExecKernelNodeSetParams_v2(void *exec, void *node, const void *p) { return exec ? set_kernel(exec, node, p, true) : CUDA_ERROR_INVALID_VALUE; }
EXPORT int cuGraphExecKernelNodeSetParams(void *exec, void *node, const void *p) { return exec ? set_kernel(exec, node, p, false) : CUDA_ERROR_INVALID_VALUE; }

/* What the worker knows of a kernel node; the parameters of one that was captured are kept. */
static int kernel_fetch(struct object *node, void **function, void **kernel, uint8_t *shape)
{
	uint8_t page[3072], *bytes = NULL;
	uint64_t total, at = 0;
	const struct function *f = NULL;
	do {
		int r = wire_graph_get_kernel(node, at, function, kernel, shape, &total, page);
		struct object *o = *function ? *function : *kernel;
		f = o ? function_of(o) : NULL;
		if (r || node->data || !f || total > f->param_bytes) {
			free(bytes);
			return r;
		}
		if (!bytes && !(bytes = calloc(1, f->param_bytes + 8)))
			return CUDA_ERROR_OUT_OF_MEMORY;
		uint64_t n = total - at < sizeof page ? total - at : sizeof page;
		memcpy(bytes + at, page, n);
		at += n;
	} while (at < total);
	kernel_keep(node, f, bytes);
	free(bytes);
	return CUDA_SUCCESS;
}

static int get_kernel(void *node, uint8_t *p, bool v2)
{
	uint8_t shape[32];
	void *function = NULL, *kernel = NULL;
	struct object *o = object_get(node, KIND_NODE);
	int r = enter();
	if (!r && (!p || !o))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = kernel_fetch(o, &function, &kernel, shape);
	if (r)
		return r;
	memset(p, 0, v2 ? 72 : 56);
	/* A function that stands for a kernel is named by it: cudart knows its kernels only. */
	if (function && function_of(function))
		kernel = function_of(function)->self;
	if (v2 && object_get(kernel, KIND_KERNEL))
		memcpy(p + 56, &kernel, 8);
	else
		memcpy(p, &function, 8);
	memcpy(p + 8, shape, 28);
	const struct kernel_params *k = o->data;
	if (k && k->count) {
		void *const *values = k->values;
		memcpy(p + 40, &values, 8);
	}
	return CUDA_SUCCESS;
}

EXPORT int cuGraphKernelNodeGetParams_v2(void *node, void *p) { return get_kernel(node, p, true); }
EXPORT int cuGraphKernelNodeGetParams(void *node, void *p) { return get_kernel(node, p, false); }
