// SPDX-License-Identifier: Apache-2.0
/* Graph nodes of any kind, from a CUgraphNodeParams, and conditional ones, which are made in no other way. */
#include <stdlib.h>

#include "call.h"
#include "exported.h"
#include "generated/calls.h"
#include "graph.h"
#include "object.h"
#include "shadow.h"
#include "state.h"

/* The kinds of CUgraphNodeParams, whose union lies at byte 16. */
enum { KERNEL, MEMCPY, MEMSET, HOST, GRAPH, EMPTY, WAIT_EVENT, RECORD_EVENT, MEM_ALLOC = 10, MEM_FREE, BATCH_MEM_OP, CONDITIONAL };
enum { UNION = 16, COPY = 16, COPY_CONTEXT = 8, MEMSET_CONTEXT = 40 };
enum { CLONE, MOVE }; /* CUgraphChildGraphNodeOwnership */

static void *pointer_at(const uint8_t *p)
{
	void *v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* CUDA_CONDITIONAL_NODE_PARAMS. */
struct conditional {
	uint64_t handle;
	uint32_t type, size;
	void **bodies; /* a result, which lives as long as the node */
	void *context;
};

static int add_conditional(void **node, void *graph, void *const *deps, size_t n, uint8_t *u)
{
	enum { MOST = 256 };
	uint64_t ids[MOST];
	struct conditional c;
	memcpy(&c, u, sizeof c);
	int r = enter();
	if (!r && (!node || !c.size))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && c.size > MOST)
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (!r && !(c.bodies = calloc(c.size, sizeof *c.bodies)))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r)
		return r;
	r = wire_graph_add_conditional(node, graph, deps, n, c.handle, c.type, c.size, c.context, ids);
	if (r) {
		free(c.bodies);
		return r;
	}
	for (uint32_t i = 0; i < c.size; i++)
		c.bodies[i] = handle_from_id(KIND_GRAPH, ids[i]);
	struct object *made = *node;
	made->data = c.bodies;
	made->number = c.size;
	made->flag = NODE_OF_GRAPHS;
	memcpy(u, &c, sizeof c);
	return CUDA_SUCCESS;
}

/* A child graph that is the node's from then on, handle and all. */
static int move_child(void **node, void *graph, void *const *deps, size_t n, void *child)
{
	struct object *c = object_get(child, KIND_GRAPH);
	int r = enter();
	if (!r && (!node || !c))
		r = CUDA_ERROR_INVALID_VALUE;
	void **held = r ? NULL : malloc(sizeof *held);
	if (!r && !held)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (!r)
		r = wire_graph_move_child(node, graph, deps, n, child);
	if (r) {
		free(held);
		return r;
	}
	struct object *made = *node;
	*held = child;
	made->data = held;
	made->number = 1;
	made->flag = NODE_OF_GRAPHS;
	c->flag = GRAPH_MOVED;
	shadows_share(object_get(graph, KIND_GRAPH), c);
	return CUDA_SUCCESS;
}

EXPORT int cuGraphChildGraphNodeGetGraph(void *node, void **graph)
{
	struct object *o = object_get(node, KIND_NODE);
	int r = enter();
	if (!r && !o)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_cuGraphChildGraphNodeGetGraph(node, graph);
	if (!r && !o->data && (o->data = malloc(sizeof *graph))) {
		memcpy(o->data, graph, sizeof *graph);
		o->number = 1;
		o->flag = NODE_OF_GRAPHS;
	}
	return r;
}

static int add(void **node, void *graph, void *const *deps, size_t n, uint8_t *params)
{
	static int once;
	uint32_t type, ownership;
	uint8_t *u = params + UNION;
	memcpy(&type, params, 4);
	memcpy(&ownership, u + 8, 4);
	void *handle = pointer_at(u);
	switch (type) {
	case KERNEL:
		return graph_add_kernel(node, graph, deps, NULL, n, u, true);
	case MEMCPY: /* flags, reserved, context, then the copy */
		return cuGraphAddMemcpyNode(node, graph, deps, n, u + COPY, pointer_at(u + COPY_CONTEXT));
	case MEMSET: { /* the old parameters, then a context */
		void *context = pointer_at(u + MEMSET_CONTEXT);
		return cuGraphAddMemsetNode(node, graph, deps, n, u, context ? context : thread.context);
	}
	case HOST:
		return cuGraphAddHostNode(node, graph, deps, n, u);
	case GRAPH:
		if (ownership > MOVE)
			return CUDA_ERROR_INVALID_VALUE;
		if (ownership == MOVE)
			return move_child(node, graph, deps, n, handle);
		return cuGraphAddChildGraphNode(node, graph, deps, n, handle);
	case EMPTY:
		return cuGraphAddEmptyNode(node, graph, deps, n);
	case WAIT_EVENT:
		return cuGraphAddEventWaitNode(node, graph, deps, n, handle);
	case RECORD_EVENT:
		return cuGraphAddEventRecordNode(node, graph, deps, n, handle);
	case MEM_ALLOC:
		return cuGraphAddMemAllocNode(node, graph, deps, n, u);
	case MEM_FREE:
		return cuGraphAddMemFreeNode(node, graph, deps, n, (uint64_t)(uintptr_t)handle);
	case BATCH_MEM_OP:
		return cuGraphAddBatchMemOpNode(node, graph, deps, n, u);
	case CONDITIONAL:
		return add_conditional(node, graph, deps, n, u);
	}
	return not_supported("cuGraphAddNode of this type", &once);
}

static bool ordinary(const uint8_t *edges, size_t n)
{
	for (size_t i = 0; edges && i < 8 * n; i++)
		if (edges[i])
			return false;
	return true;
}

/* Special edges: a kernel's come with it; other nodes are made without, and get theirs then. */
static int add_with_edges(void **node, void *graph, void *const *deps, const void *edges, size_t n, uint8_t *params)
{
	uint32_t type;
	memcpy(&type, params, 4);
	if (type == KERNEL)
		return graph_add_kernel(node, graph, deps, edges, n, params + UNION, true);
	void **to = calloc(n, sizeof *to);
	int r = to ? add(node, graph, NULL, 0, params) : CUDA_ERROR_OUT_OF_MEMORY;
	if (!r) {
		for (size_t i = 0; i < n; i++)
			to[i] = *node;
		r = cuGraphAddDependencies_v2(graph, deps, to, edges, n);
		if (r)
			cuGraphDestroyNode(*node);
	}
	free(to);
	return r;
}

EXPORT int cuGraphAddNode_v2(void **node, void *graph, void *const *deps, const void *edges, size_t n, void *params)
{
	if (!params)
		return CUDA_ERROR_INVALID_VALUE;
	return ordinary(edges, n) ? add(node, graph, deps, n, params) : add_with_edges(node, graph, deps, edges, n, params);
}

EXPORT int cuGraphAddNode(void **node, void *graph, void *const *deps, size_t n, void *params)
{
	return cuGraphAddNode_v2(node, graph, deps, NULL, n, params);
}

EXPORT int cuGraphNodeSetParams(void *node, void *params)
{
	static int once;
	uint32_t type;
	if (!params)
		return CUDA_ERROR_INVALID_VALUE;
	uint8_t *u = (uint8_t *)params + UNION;
	memcpy(&type, params, 4);
	switch (type) {
	case KERNEL:
		return cuGraphKernelNodeSetParams_v2(node, u);
	case MEMCPY:
		return cuGraphMemcpyNodeSetParams(node, u + COPY);
	case MEMSET:
		return cuGraphMemsetNodeSetParams(node, u);
	case HOST:
		return cuGraphHostNodeSetParams(node, u);
	case WAIT_EVENT:
		return cuGraphEventWaitNodeSetEvent(node, pointer_at(u));
	case RECORD_EVENT:
		return cuGraphEventRecordNodeSetEvent(node, pointer_at(u));
	case BATCH_MEM_OP:
		return cuGraphBatchMemOpNodeSetParams(node, u);
	}
	return not_supported("cuGraphNodeSetParams of this type", &once);
}

EXPORT int cuGraphExecNodeSetParams(void *exec, void *node, void *params)
{
	static int once;
	uint32_t type;
	if (!params)
		return CUDA_ERROR_INVALID_VALUE;
	uint8_t *u = (uint8_t *)params + UNION;
	memcpy(&type, params, 4);
	switch (type) {
	case KERNEL:
		return cuGraphExecKernelNodeSetParams_v2(exec, node, u);
	case MEMCPY:
		return cuGraphExecMemcpyNodeSetParams(exec, node, u + COPY, pointer_at(u + COPY_CONTEXT));
	case MEMSET: {
		void *context = pointer_at(u + MEMSET_CONTEXT);
		return cuGraphExecMemsetNodeSetParams(exec, node, u, context ? context : thread.context);
	}
	case HOST:
		return cuGraphExecHostNodeSetParams(exec, node, u);
	case GRAPH:
		return cuGraphExecChildGraphNodeSetParams(exec, node, pointer_at(u));
	case WAIT_EVENT:
		return cuGraphExecEventWaitNodeSetEvent(exec, node, pointer_at(u));
	case RECORD_EVENT:
		return cuGraphExecEventRecordNodeSetEvent(exec, node, pointer_at(u));
	case BATCH_MEM_OP:
		return cuGraphExecBatchMemOpNodeSetParams(exec, node, u);
	}
	return not_supported("cuGraphExecNodeSetParams of this type", &once);
}
