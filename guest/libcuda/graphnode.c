// SPDX-License-Identifier: Apache-2.0
/* Graph nodes that copy memory or run host functions, and the instantiation of graphs. */
#include <stdio.h>
#include <stdlib.h>

#include "call.h"
#include "callback.h"
#include "copy.h"
#include "copybox.h"
#include "exported.h"
#include "generated/calls.h"
#include "graph.h"
#include "log.h"
#include "memory.h"
#include "object.h"
#include "shadow.h"
#include "state.h"

struct host_params {
	void (*function)(void *);
	void *data;
};

/* A copy as the worker takes it, with shadows in the place of pageable memory. */
struct copy {
	uint8_t box[BOX_BYTES];
	struct shadow *shadows[2];
	size_t count;
};

static void copy_discard(struct copy *c)
{
	while (c->count)
		shadow_discard(c->shadows[--c->count]);
}

static int copy_read(const void *p, struct copy *c)
{
	c->count = 0;
	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	struct box b = box_from_3d(p, false);
	int r = box_settle(&b);
	if (r)
		return r;
	enum { TYPE_HOST = 1 };
	bool in = b.src.type == TYPE_HOST && !in_heap((void *)(uintptr_t)b.src.address);
	bool out = b.dst.type == TYPE_HOST && !in_heap((void *)(uintptr_t)b.dst.address);
	if (in && !(r = shadow_make(&b, true, &c->shadows[c->count])))
		c->count++;
	if (!r && out && !(r = shadow_make(&b, false, &c->shadows[c->count])))
		c->count++;
	box_put(c->box, &b);
	if (r)
		copy_discard(c);
	return r;
}

void node_keep(struct object *node, const void *p, size_t n)
{
	free(node->data);
	node->data = malloc(n);
	if (node->data)
		memcpy(node->data, p, n);
}

/* Fetches a captured copy: host memory is the region's, arrays are named by ids. */
static int memcpy_fetch(struct object *node)
{
	enum { TYPE_ARRAY = 3, SRC_TYPE = 32, SRC_ARRAY = 56, DST_TYPE = 120, DST_ARRAY = 144 };
	uint8_t d[BOX_BYTES];
	int r = wire_graph_get_memcpy(node, d);
	for (unsigned type = SRC_TYPE, at = SRC_ARRAY; !r; type = DST_TYPE, at = DST_ARRAY) {
		if (d[type] == TYPE_ARRAY) {
			uint64_t id;
			memcpy(&id, d + at, 8);
			void *array = handle_from_id(KIND_ARRAY, id);
			memcpy(d + at, &array, 8);
		}
		if (type == DST_TYPE)
			break;
	}
	if (!r)
		node_keep(node, d, sizeof d);
	return r;
}

static int host_fetch(struct object *node)
{
	struct host_params h;
	uint64_t id;
	int r = wire_graph_get_host(node, &id);
	if (!r && !callback_find(id, &h.function, &h.data))
		r = CUDA_ERROR_NOT_FOUND;
	if (!r)
		node_keep(node, &h, sizeof h);
	return r;
}

/* Copies out what is kept with a node, which for a captured one is fetched first. */
static int kept(void *node, void *p, size_t n, int (*fetch)(struct object *))
{
	int r = enter();
	struct object *o = object_get(node, KIND_NODE);
	if (!r && (!o || !p))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !o->data)
		r = fetch(o);
	if (!r && !o->data)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (!r)
		memcpy(p, o->data, n);
	return r;
}

EXPORT int cuGraphAddMemcpyNode(void **node, void *graph, void *const *deps, size_t n, const void *p, void *context)
{
	struct copy c;
	struct object *mine = thread.context, *g = object_get(graph, KIND_GRAPH);
	int r = enter();
	if (!r && (!node || !g))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	if (object_get(context, KIND_CTX))
		thread.context = context;
	r = copy_read(p, &c);
	if (!r) {
		r = wire_graph_add_memcpy(node, graph, deps, n, c.box);
		if (r)
			copy_discard(&c);
	}
	thread.context = mine;
	if (!r) {
		node_keep(*node, p, BOX_BYTES);
		shadows_replace(g, *node, c.shadows, c.count);
	}
	return r;
}

static int set_memcpy(void *exec, void *node, const void *p)
{
	struct copy c;
	struct object *o = object_get(node, KIND_NODE), *holder = object_get(exec, KIND_EXEC);
	static int once;
	int r = enter();
	if (!r && (!o || (exec && !holder)))
		r = CUDA_ERROR_INVALID_HANDLE;
	if (r)
		return r;
	if (!exec)
		holder = node_graph(o);
	r = copy_read(p, &c);
	if (!r && c.count && !holder)
		r = not_supported("cuGraphMemcpyNodeSetParams of a captured node to pageable memory", &once);
	if (!r)
		r = wire_graph_set_memcpy(exec, node, c.box);
	if (r) {
		copy_discard(&c);
		return r;
	}
	if (!exec)
		node_keep(o, p, BOX_BYTES);
	if (holder)
		shadows_replace(holder, node, c.shadows, c.count);
	return CUDA_SUCCESS;
}

EXPORT int cuGraphMemcpyNodeGetParams(void *node, void *p) { return kept(node, p, BOX_BYTES, memcpy_fetch); }
EXPORT int cuGraphMemcpyNodeSetParams(void *node, const void *p) { return set_memcpy(NULL, node, p); }

EXPORT int cuGraphExecMemcpyNodeSetParams(void *exec, void *node, const void *p, void *context)
{
	(void)context;
	return exec ? set_memcpy(exec, node, p) : CUDA_ERROR_INVALID_VALUE;
}

EXPORT int cuGraphAddHostNode(void **node, void *graph, void *const *deps, size_t n, const void *p)
{
	const struct host_params *h = p;
	int r = enter();
	if (!r && (!node || !h || !h->function))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	uint64_t id = callback_add(h->function, h->data, false);
	r = id ? wire_graph_add_host(node, graph, deps, n, id) : CUDA_ERROR_OUT_OF_MEMORY;
	if (!r) {
		node_keep(*node, h, sizeof *h);
		((struct object *)*node)->number = id;
	}
	return r;
}

EXPORT int cuGraphHostNodeGetParams(void *node, void *p) { return kept(node, p, sizeof(struct host_params), host_fetch); }

/* A node gets another id: instances that were made before go on with the function that they have. */
static int set_host(void *exec, void *node, const struct host_params *h)
{
	struct object *o = object_get(node, KIND_NODE);
	int r = enter();
	if (!r && (!o || !h || !h->function))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	uint64_t id = callback_add(h->function, h->data, false);
	r = id ? wire_graph_set_host(exec, node, id) : CUDA_ERROR_OUT_OF_MEMORY;
	if (!r && !exec) {
		node_keep(o, h, sizeof *h);
		o->number = id;
	}
	return r;
}

EXPORT int cuGraphHostNodeSetParams(void *node, const void *p) { return set_host(NULL, node, p); }
EXPORT int cuGraphExecHostNodeSetParams(void *exec, void *node, const void *p) { return exec ? set_host(exec, node, p) : CUDA_ERROR_INVALID_VALUE; }

/* Flags of an instance. */
enum { UPLOAD = 2, DEVICE_LAUNCH = 4 };

/* A program passes the handle of an instance to kernels that are to launch it: it has to be the driver's own. */
static int exec_for_kernels(void **exec)
{
	struct object *o = *exec;
	uint64_t handle = 0;
	int r = wire_graph_device_handle(o, &handle);
	if (!r && !object_alias((void *)(uintptr_t)handle, o)) {
		log_line(LOG_ERROR, "a graph for launches from kernels: the driver's handle of it is taken in this program");
		r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r) {
		shadows_drop(o);
		wire_cuGraphExecDestroy(o);
	} else {
		*exec = (void *)(uintptr_t)handle;
	}
	return r;
}

EXPORT int cuGraphInstantiateWithFlags(void **exec, void *graph, uint64_t flags)
{
	int r = enter();
	if (!r)
		r = wire_cuGraphInstantiateWithFlags(exec, graph, flags);
	if (r)
		return r;
	shadows_share(*exec, object_get(graph, KIND_GRAPH));
	return flags & DEVICE_LAUNCH ? exec_for_kernels(exec) : CUDA_SUCCESS;
}

EXPORT int cuGraphClone(void **clone, void *graph)
{
	int r = enter();
	if (!r)
		r = wire_cuGraphClone(clone, graph);
	if (!r)
		shadows_share(*clone, object_get(graph, KIND_GRAPH));
	return r;
}

EXPORT int cuGraphAddChildGraphNode(void **node, void *graph, void *const *deps, size_t n, void *child)
{
	int r = enter();
	if (!r)
		r = wire_cuGraphAddChildGraphNode(node, graph, deps, n, child);
	if (!r)
		shadows_share(object_get(graph, KIND_GRAPH), object_get(child, KIND_GRAPH));
	return r;
}

EXPORT int cuGraphDestroy(void *graph)
{
	struct object *o = object_get(graph, KIND_GRAPH);
	int r = enter();
	if (!r && (!o || o->flag == GRAPH_MOVED))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	shadows_drop(o);
	graph_nodes_free(o);
	return wire_cuGraphDestroy(graph);
}

EXPORT int cuGraphExecDestroy(void *exec)
{
	struct object *o = object_get(exec, KIND_EXEC);
	int r = enter();
	if (!r && !o)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	shadows_drop(o);
	object_unalias(o);
	return wire_cuGraphExecDestroy(o);
}

static int graph_launch(void *exec, void *stream)
{
	struct object *o = object_get(exec, KIND_EXEC);
	int r = enter_context();
	if (!r && !o)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = shadows_before(o, stream);
	if (!r)
		r = wire_cuGraphLaunch(exec, stream);
	if (!r)
		r = shadows_after(o, stream);
	return r ? r : call_deferred();
}

EXPORT int cuGraphLaunch(void *exec, void *stream) { return graph_launch(exec, stream_arg(stream)); }
EXPORT int cuGraphLaunch_ptsz(void *exec, void *stream) { return graph_launch(exec, enter_context() ? NULL : stream_per_thread(stream)); }

/* Instantiates, and asks what the driver says of a refusal: a CUgraphInstantiateResult, and a node that is at fault. */
static int instantiate(void **exec, void *graph, uint64_t flags, uint32_t *why, void **node)
{
	struct object *g = object_get(graph, KIND_GRAPH);
	*why = 0;
	*node = NULL;
	int r = cuGraphInstantiateWithFlags(exec, graph, flags);
	if (r && g)
		wire_graph_refusal(graph, flags, why, node);
	if (r && !*why)
		*why = 1; /* CUDA_GRAPH_INSTANTIATE_ERROR */
	if (*node && !node_graph(*node))
		graph_owns(g, *node);
	return r;
}

/* CUDA_GRAPH_INSTANTIATE_PARAMS. */
struct instantiate_params {
	uint64_t flags;
	void *upload, *error_node;
	uint32_t result;
};

static int instantiate_with(void **exec, void *graph, struct instantiate_params *p, void *(*stream_of)(void *))
{
	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	int r = instantiate(exec, graph, p->flags & ~(uint64_t)UPLOAD, &p->result, &p->error_node);
	if (!r && p->flags & UPLOAD) /* what kernels are to launch has to be there before */
		r = wire_cuGraphUpload(*exec, stream_of(p->upload));
	return r;
}

EXPORT int cuGraphInstantiateWithParams(void **exec, void *graph, void *params) { return instantiate_with(exec, graph, params, stream_arg); }
EXPORT int cuGraphInstantiateWithParams_ptsz(void **exec, void *graph, void *params) { return instantiate_with(exec, graph, params, stream_per_thread); }

EXPORT int cuGraphInstantiate_v2(void **exec, void *graph, void **error_node, char *log, size_t bytes)
{
	uint32_t why;
	void *node;
	if (log && bytes)
		*log = 0;
	int r = instantiate(exec, graph, 0, &why, &node);
	if (error_node)
		*error_node = node;
	return r;
}

EXPORT int cuGraphInstantiate(void **exec, void *graph, void **error_node, char *log, size_t bytes)
{
	return cuGraphInstantiate_v2(exec, graph, error_node, log, bytes);
}

/* CUgraphExecUpdateResultInfo. */
struct update {
	uint32_t why;
	void *node, *from;
};

static int update(void *exec, void *graph, struct update *u)
{
	struct object *e = object_get(exec, KIND_EXEC), *g = object_get(graph, KIND_GRAPH);
	uint32_t refused;
	int r = enter();
	*u = (struct update){.why = 1}; /* CU_GRAPH_EXEC_UPDATE_ERROR */
	if (!r && (!e || !g))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_graph_update(exec, graph, &refused, &u->why, &u->node, &u->from);
	if (r)
		return r;
	if (u->node && !node_graph(u->node))
		graph_owns(g, u->node);
	if (u->from && !node_graph(u->from))
		graph_owns(g, u->from);
	if (refused)
		return (int)refused;
	shadows_drop(e); /* its copies are the graph's now */
	shadows_share(e, g);
	return CUDA_SUCCESS;
}

EXPORT int cuGraphExecUpdate(void *exec, void *graph, void **error_node, uint32_t *result)
{
	struct update u;
	int r = update(exec, graph, &u);
	if (error_node)
		*error_node = u.node;
	if (result)
		*result = u.why;
	return r;
}

EXPORT int cuGraphExecUpdate_v2(void *exec, void *graph, void *info)
{
	struct update u;
	int r = update(exec, graph, &u);
	if (info)
		memcpy(info, &u, sizeof u);
	return r;
}

/* The driver draws on the host; the text comes here in pages. */
EXPORT int cuGraphDebugDotPrint(void *graph, const char *path, unsigned int flags)
{
	uint8_t page[3584];
	uint64_t total = 0, at = 0;
	int r = enter();
	if (!r && (!path || !object_get(graph, KIND_GRAPH)))
		r = CUDA_ERROR_INVALID_VALUE;
	FILE *f = NULL;
	while (!r) {
		r = wire_graph_dot(graph, flags, at, &total, page);
		if (!r && !f && !(f = fopen(path, "w")))
			r = CUDA_ERROR_OPERATING_SYSTEM;
		uint64_t n = total - at < sizeof page ? total - at : sizeof page;
		if (!r && fwrite(page, 1, n, f) != n)
			r = CUDA_ERROR_OPERATING_SYSTEM;
		at += n;
		if (at >= total)
			break;
	}
	if (f && fclose(f) && !r)
		r = CUDA_ERROR_OPERATING_SYSTEM;
	return r;
}
