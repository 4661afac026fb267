// SPDX-License-Identifier: Apache-2.0
/* Stream capture, lists of nodes, and which graph nodes belong to. */
#include <stdlib.h>

#include "call.h"
#include "capture.h"
#include "exported.h"
#include "generated/calls.h"
#include "graph.h"
#include "object.h"
#include "onstream.h"
#include "shadow.h"
#include "state.h"

/* Stream capture. */

static int begin_capture(void *stream, unsigned mode)
{
	int r = enter_context();
	if (!r && !capture_begun(stream, NULL, mode))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r)
		return r;
	r = wire_cuStreamBeginCapture_v2(stream, mode);
	if (r)
		capture_ended(stream, false);
	return r;
}

static int begin_capture_to(void *stream, void *graph, void *const *nodes, const void *data, size_t n, unsigned mode)
{
	struct object *given = object_get(graph, KIND_GRAPH);
	int r = enter_context();
	if (!r && !given)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !capture_begun(stream, given, mode))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r)
		return r;
	r = wire_cuStreamBeginCaptureToGraph(stream, graph, nodes, data, n, mode);
	if (r)
		capture_ended(stream, false);
	return r;
}

/* Who may not end a capture ends it all the same, and its own graph with it, as does who does not want that graph. */
static int end_capture(void *stream, void **graph)
{
	void *made;
	bool own;
	int r = enter_context();
	if (r)
		return r;
	int refused = capture_may_end(stream, &own);
	r = wire_cuStreamEndCapture(stream, &made);
	if (!r || (r >= CUDA_ERROR_STREAM_CAPTURE_INVALIDATED && r <= CUDA_ERROR_STREAM_CAPTURE_ISOLATION && r != CUDA_ERROR_STREAM_CAPTURE_UNMATCHED))
		capture_ended(stream, !r);
	if (!r && own && (refused || !graph))
		r = cuGraphDestroy(made);
	else if (!r && !refused && graph)
		*graph = made;
	return refused ? refused : r;
}

static int is_capturing(void *stream, unsigned *status)
{
	int r = enter_context();
	if (!r && !status)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	*status = 0;
	if (likely(!session.captures)) {
		uint64_t id;
		return handle_id(stream, KIND_STREAM, &id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
	}
	return wire_cuStreamIsCapturing(stream, status);
}

/* A node that the worker has named. One of a capture gets to know its graph, with which it ends. */
static void *node_of(uint64_t id, struct object *graph)
{
	struct object *o = handle_from_id(KIND_NODE, id);
	if (o && graph && !node_graph(o))
		graph_owns(graph, o);
	return o;
}

/* Lists handed out by cuStreamGetCaptureInfo stay valid until the thread's next call of it. */
struct edges {
	void **nodes;
	uint8_t (*data)[8];
	size_t room;
};


void edges_free(void)
{
	if (thread.edges) {
		free(thread.edges->nodes);
		free(thread.edges->data);
		free(thread.edges);
	}
	thread.edges = NULL;
}

static bool edges_reserve(struct edges *e, size_t n)
{
	if (n <= e->room)
		return true;
	void **nodes = realloc(e->nodes, n * sizeof *nodes);
	if (nodes)
		e->nodes = nodes;
	uint8_t(*data)[8] = realloc(e->data, n * sizeof *data);
	if (data)
		e->data = data;
	if (!nodes || !data)
		return false;
	e->room = n;
	return true;
}

static int capture_info(void *stream, unsigned *status, uint64_t *id, void **graph, void ***nodes, void **data, size_t *count)
{
	uint8_t items[3072];
	uint64_t total = 0, got_id = 0;
	void *got_graph = NULL;
	int r = is_capturing(stream, status);
	if (!r && *status && !thread.edges) {
		thread.edges = calloc(1, sizeof *thread.edges);
		thread_watch();
	}
	struct edges *captured = thread.edges;
	if (!r && *status && !captured)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	for (uint64_t at = 0; !r && *status && (at == 0 || at < total);) {
		r = wire_capture_info(stream, at, status, &got_id, &got_graph, &total, items);
		if (!r && !edges_reserve(captured, total ? total : 1))
			r = CUDA_ERROR_OUT_OF_MEMORY;
		if (r || !total)
			break;
		for (const uint8_t *e = items; at < total && e + WIRE_EDGE_SIZE <= items + sizeof items; e += WIRE_EDGE_SIZE, at++) {
			uint64_t node;
			memcpy(&node, e, 8);
			captured->nodes[at] = node_of(node, object_get(got_graph, KIND_GRAPH));
			memcpy(captured->data[at], e + 16, 8);
		}
	}
	if (r)
		return r;
	if (id)
		*id = got_id;
	if (graph)
		*graph = got_graph;
	if (nodes)
		*nodes = *status ? captured->nodes : NULL;
	if (data)
		*data = *status ? captured->data : NULL;
	if (count)
		*count = total;
	return CUDA_SUCCESS;
}

static int update_dependencies(void *stream, void **nodes, size_t n, unsigned flags)
{
	int r = enter_context();
	return r ? r : wire_cuStreamUpdateCaptureDependencies(stream, nodes, n, flags);
}

static int update_dependencies_v2(void *stream, void **nodes, const void *data, size_t n, unsigned flags)
{
	int r = enter_context();
	if (r)
		return r;
	return data ? wire_cuStreamUpdateCaptureDependencies_v2(stream, nodes, data, n, flags) : wire_cuStreamUpdateCaptureDependencies(stream, nodes, n, flags);
}

ON_STREAM(cuStreamBeginCapture, (void *stream), begin_capture(stream, 0))
ON_STREAM(cuStreamBeginCapture_v2, (void *stream, unsigned mode), begin_capture(stream, mode))
ON_STREAM(cuStreamBeginCaptureToGraph, (void *stream, void *graph, void *const *nodes, const void *data, size_t n, unsigned mode),
	  begin_capture_to(stream, graph, nodes, data, n, mode))
ON_STREAM(cuStreamEndCapture, (void *stream, void **graph), end_capture(stream, graph))
ON_STREAM(cuStreamIsCapturing, (void *stream, unsigned *status), is_capturing(stream, status))
ON_STREAM(cuStreamGetCaptureInfo, (void *stream, unsigned *status, uint64_t *id), capture_info(stream, status, id, NULL, NULL, NULL, NULL))
ON_STREAM(cuStreamGetCaptureInfo_v2, (void *stream, unsigned *status, uint64_t *id, void **graph, void ***nodes, size_t *count),
	  capture_info(stream, status, id, graph, nodes, NULL, count))
ON_STREAM(cuStreamGetCaptureInfo_v3,
	  (void *stream, unsigned *status, uint64_t *id, void **graph, void ***nodes, void **data, size_t *count),
	  capture_info(stream, status, id, graph, nodes, data, count))
ON_STREAM(cuStreamUpdateCaptureDependencies, (void *stream, void **nodes, size_t n, unsigned flags), update_dependencies(stream, nodes, n, flags))
ON_STREAM(cuStreamUpdateCaptureDependencies_v2, (void *stream, void **nodes, const void *data, size_t n, unsigned flags),
	  update_dependencies_v2(stream, nodes, data, n, flags))

EXPORT int cuThreadExchangeStreamCaptureMode(uint32_t *mode)
{
	int r = enter();
	if (!r && (!mode || *mode >= CAPTURE_MODES))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	uint32_t old = thread.capture_mode;
	thread.capture_mode = *mode;
	*mode = old;
	return CUDA_SUCCESS;
}

/* Lists. *count is the room on entry, the number on return; without room it is only counted. */

static int list(unsigned what, void *graph, void *node, void **from, void **to, uint8_t (*data)[8], size_t *count)
{
	uint8_t items[3584];
	uint64_t total = 0, at = 0;
	int r = enter();
	if (!r && !count)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	size_t room = from || to ? *count : 0;
	struct object *owner = graph ? object_get(graph, KIND_GRAPH) : node_graph(object_get(node, KIND_NODE));
	do {
		r = wire_graph_list(what, graph, node, room ? at : UINT64_MAX, &total, items); /* without room, only counted */
		if (r)
			return r;
		for (const uint8_t *e = items; at < total && e + WIRE_EDGE_SIZE <= items + sizeof items; e += WIRE_EDGE_SIZE, at++) {
			uint64_t ids[2];
			memcpy(ids, e, 16);
			if (at >= room)
				continue;
			if (from)
				from[at] = node_of(ids[0], owner);
			if (to)
				to[at] = node_of(ids[1], owner);
			if (data)
				memcpy(data[at], e + 16, 8);
		}
	} while (at < total && at < room);
	for (size_t i = total; i < room; i++) {
		if (from)
			from[i] = NULL;
		if (to)
			to[i] = NULL;
	}
	if (!room || total < room)
		*count = total;
	return CUDA_SUCCESS;
}

EXPORT int cuGraphGetNodes(void *graph, void **nodes, size_t *count) { return list(WIRE_LIST_NODES, graph, NULL, nodes, NULL, NULL, count); }
EXPORT int cuGraphGetRootNodes(void *graph, void **nodes, size_t *count) { return list(WIRE_LIST_ROOTS, graph, NULL, nodes, NULL, NULL, count); }

EXPORT int cuGraphGetEdges_v2(void *graph, void **from, void **to, void *data, size_t *count)
{
	return list(WIRE_LIST_EDGES, graph, NULL, from, to, data, count);
}

EXPORT int cuGraphGetEdges(void *graph, void **from, void **to, size_t *count) { return cuGraphGetEdges_v2(graph, from, to, NULL, count); }

EXPORT int cuGraphNodeGetDependencies_v2(void *node, void **nodes, void *data, size_t *count)
{
	return list(WIRE_LIST_DEPENDENCIES, NULL, node, nodes, NULL, data, count);
}

EXPORT int cuGraphNodeGetDependencies(void *node, void **nodes, size_t *count) { return cuGraphNodeGetDependencies_v2(node, nodes, NULL, count); }

EXPORT int cuGraphNodeGetDependentNodes_v2(void *node, void **nodes, void *data, size_t *count)
{
	return list(WIRE_LIST_DEPENDENTS, NULL, node, NULL, nodes, data, count);
}

EXPORT int cuGraphNodeGetDependentNodes(void *node, void **nodes, size_t *count)
{
	return cuGraphNodeGetDependentNodes_v2(node, nodes, NULL, count);
}

/* Nodes end with their graph: a graph's list of those that were made here goes through them. */

static pthread_mutex_t nodes_lock = PTHREAD_MUTEX_INITIALIZER;

void graph_owns(void *graph, struct object *node)
{
	struct object *g = object_get(graph, KIND_GRAPH);
	if (!g)
		return;
	pthread_mutex_lock(&nodes_lock);
	node->extra[0] = g->extra[0];
	g->extra[0] = (uint64_t)(uintptr_t)node;
	node->extra[1] = (uint64_t)(uintptr_t)g;
	pthread_mutex_unlock(&nodes_lock);
}

struct object *node_graph(const struct object *node) { return node ? (struct object *)(uintptr_t)node->extra[1] : NULL; }

static void nodes_free(struct object *graph);

/* Frees a node, and the graphs within it. The caller holds nodes_lock. */
static void node_free(struct object *node)
{
	struct object **graphs = node->data;
	for (uint64_t i = 0; node->flag == NODE_OF_GRAPHS && i < node->number; i++) {
		if (graphs[i]) {
			nodes_free(graphs[i]);
			shadows_drop(graphs[i]);
		}
		object_free(graphs[i]);
	}
	free(node->data);
	object_free(node);
}

static void nodes_free(struct object *graph)
{
	struct object *n = (struct object *)(uintptr_t)graph->extra[0];
	graph->extra[0] = 0;
	while (n) {
		struct object *next = (struct object *)(uintptr_t)n->extra[0];
		node_free(n);
		n = next;
	}
}

void graph_nodes_free(struct object *graph)
{
	pthread_mutex_lock(&nodes_lock);
	nodes_free(graph);
	pthread_mutex_unlock(&nodes_lock);
}

EXPORT int cuGraphDestroyNode(void *node)
{
	int r = enter();
	struct object *o = object_get(node, KIND_NODE);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_cuGraphDestroyNode(node);
	if (r)
		return r;
	if (node_graph(o))
		shadows_replace(node_graph(o), o, NULL, 0);
	pthread_mutex_lock(&nodes_lock);
	struct object *g = (struct object *)(uintptr_t)o->extra[1];
	for (uint64_t *at = g ? &g->extra[0] : NULL; at && *at; at = &((struct object *)(uintptr_t)*at)->extra[0]) {
		if (*at == (uint64_t)(uintptr_t)o) {
			*at = o->extra[0];
			break;
		}
	}
	node_free(o);
	pthread_mutex_unlock(&nodes_lock);
	return CUDA_SUCCESS;
}
