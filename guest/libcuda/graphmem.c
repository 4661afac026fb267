// SPDX-License-Identifier: Apache-2.0
/* Graph nodes that allocate memory, and those that read and write words of it. */
#include <stdlib.h>

#include "call.h"
#include "exported.h"
#include "generated/calls.h"
#include "graph.h"
#include "memory.h"
#include "object.h"
#include "state.h"

/* CUDA_MEM_ALLOC_NODE_PARAMS: a pool's properties, a list of accesses, size, and the address, a result. */
struct alloc_params {
	uint8_t pool[88];
	const uint8_t *access;
	uint64_t access_count, size, address;
};

enum { ACCESS_BYTES = 12, MOST_ACCESSES = 64 };

/* Keeps parameters with a node, their list behind them. */
static void alloc_keep(struct object *node, const struct alloc_params *p)
{
	struct alloc_params *k = malloc(sizeof *k + p->access_count * ACCESS_BYTES);
	free(node->data);
	node->data = k;
	if (!k)
		return;
	*k = *p;
	k->access = p->access_count ? (const uint8_t *)(k + 1) : NULL;
	if (p->access_count)
		memcpy(k + 1, p->access, p->access_count * ACCESS_BYTES);
}

EXPORT int cuGraphAddMemAllocNode(void **node, void *graph, void *const *deps, size_t n, void *params)
{
	struct alloc_params *p = params, sent;
	int r = enter();
	if (!r && (!node || !p || p->access_count > MOST_ACCESSES || (p->access_count && !p->access)))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	sent = *p;
	sent.access = NULL;
	r = wire_graph_add_mem_alloc(node, graph, deps, n, &sent, p->access, p->access_count);
	if (r)
		return r;
	p->address = sent.address;
	alloc_keep(*node, p);
	r = graph_memory_note(p->address, p->size);
	if (r)
		cuGraphDestroyNode(*node);
	return r;
}

EXPORT int cuGraphMemAllocNodeGetParams(void *node, void *params)
{
	uint8_t access[MOST_ACCESSES * ACCESS_BYTES];
	struct object *o = object_get(node, KIND_NODE);
	struct alloc_params got;
	int r = enter();
	if (!r && (!o || !params))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !o->data) { /* a captured node */
		r = wire_graph_get_mem_alloc(node, &got, access);
		if (!r && got.access_count > MOST_ACCESSES)
			r = CUDA_ERROR_UNKNOWN;
		got.access = access;
		if (!r)
			alloc_keep(o, &got);
		if (!r && !o->data)
			r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (!r)
		memcpy(params, o->data, sizeof got);
	return r;
}

/* CUDA_BATCH_MEM_OP_NODE_PARAMS. */
struct batch_params {
	void *context;
	uint32_t count;
	const uint8_t *ops;
	uint32_t flags;
};

enum { OP_BYTES = 48, MOST_OPS = 256 };

static struct batch_params *batch_room(uint32_t count)
{
	struct batch_params *k = malloc(sizeof *k + (size_t)count * OP_BYTES);
	if (k)
		*k = (struct batch_params){.count = count, .ops = (const uint8_t *)(k + 1)};
	return k;
}

static void batch_keep(struct object *node, const struct batch_params *p)
{
	struct batch_params *k = batch_room(p->count);
	free(node->data);
	node->data = k;
	if (!k)
		return;
	k->context = p->context;
	k->flags = p->flags;
	memcpy(k + 1, p->ops, (size_t)p->count * OP_BYTES);
}

static bool batch_sound(const struct batch_params *p) { return p && p->count && p->count <= MOST_OPS && p->ops; }

EXPORT int cuGraphAddBatchMemOpNode(void **node, void *graph, void *const *deps, size_t n, const void *params)
{
	const struct batch_params *p = params;
	int r = enter();
	if (!r && (!node || !batch_sound(p)))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_graph_add_batch(node, graph, deps, n, p->context, p->ops, p->count, p->flags);
	if (!r)
		batch_keep(*node, p);
	return r;
}

static int set_batch(void *exec, void *node, const struct batch_params *p)
{
	struct object *o = object_get(node, KIND_NODE);
	int r = enter();
	if (!r && (!o || !batch_sound(p)))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_graph_set_batch(exec, node, p->context, p->ops, p->count, p->flags);
	if (!r && !exec)
		batch_keep(o, p);
	return r;
}

EXPORT int cuGraphBatchMemOpNodeSetParams(void *node, const void *p) { return set_batch(NULL, node, p); }
EXPORT int cuGraphExecBatchMemOpNodeSetParams(void *exec, void *node, const void *p) { return exec ? set_batch(exec, node, p) : CUDA_ERROR_INVALID_VALUE; }

/* Fetches a captured node's operations, a page at a time. */
static int batch_fetch(struct object *node)
{
	uint8_t page[3072];
	uint32_t count, flags, at = 0;
	struct batch_params *k = NULL;
	do {
		int r = wire_graph_get_batch(node, at, &count, &flags, page);
		if (!r && (count > MOST_OPS || (k && count != k->count)))
			r = CUDA_ERROR_UNKNOWN;
		if (!r && !k && !(k = batch_room(count)))
			r = CUDA_ERROR_OUT_OF_MEMORY;
		if (r) {
			free(k);
			return r;
		}
		for (const uint8_t *op = page; at < count && op + OP_BYTES <= page + sizeof page; op += OP_BYTES, at++)
			memcpy((uint8_t *)(k + 1) + (size_t)at * OP_BYTES, op, OP_BYTES);
	} while (at < count);
	k->flags = flags;
	k->context = thread.context;
	node->data = k;
	return CUDA_SUCCESS;
}

EXPORT int cuGraphBatchMemOpNodeGetParams(void *node, void *params)
{
	struct object *o = object_get(node, KIND_NODE);
	int r = enter();
	if (!r && (!o || !params))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !o->data)
		r = batch_fetch(o);
	if (!r)
		memcpy(params, o->data, sizeof(struct batch_params));
	return r;
}
