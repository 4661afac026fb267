// SPDX-License-Identifier: Apache-2.0
#include "shadow.h"

#include <stdlib.h>

#include "callback.h"
#include "capture.h"
#include "copybox.h"
#include "exported.h"
#include "generated/calls.h"
#include "memory.h"
#include "state.h"

struct shadow {
	struct box box; /* the copy as the program asked for it */
	bool in; /* read by the graph */
	void *node; /* for which it is, NULL for one of a capture */
	struct range pinned;
	unsigned refs; /* lists that hold it */
};

/* What a graph or an instance holds: data of its object. */
struct shadows {
	unsigned refs; /* the object and its launches under way */
	size_t count;
	struct shadow *list[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int shadow_make(struct box *b, bool in, struct shadow **out)
{
	void *pinned;
	struct shadow *s = malloc(sizeof *s);
	if (!s)
		return CUDA_ERROR_OUT_OF_MEMORY;
	uint32_t mode = capture_relax();
	int r = cuMemHostAlloc(&pinned, b->width * b->height * b->depth, 0);
	capture_restore(mode);
	if (r) {
		free(s);
		return r;
	}
	*s = (struct shadow){.box = *b, .in = in};
	memory_find((uint64_t)(uintptr_t)pinned, &s->pinned);
	*(in ? &b->src : &b->dst) = (struct box_side){.type = 1, .host = s->pinned.base, .address = s->pinned.base, .pitch = b->width, .rows = b->height};
	*out = s;
	return CUDA_SUCCESS;
}

static void shadow_free(struct shadow *s)
{
	struct object *mine = thread.context;
	uint32_t mode = capture_relax();
	thread.context = s->pinned.context;
	cuMemFreeHost((void *)(uintptr_t)s->pinned.base);
	thread.context = mine;
	capture_restore(mode);
	free(s);
}

/* Adds to an object's list, and takes out what a node had. A list in use by a launch is replaced by a copy. */
static void change(struct object *o, const void *node, struct shadow *const *more, size_t n)
{
	pthread_mutex_lock(&lock);
	struct shadows *old = o->data;
	size_t have = old ? old->count : 0;
	struct shadows *list = malloc(sizeof *list + (have + n) * sizeof *list->list);
	if (list) {
		list->refs = 1;
		list->count = 0;
		for (size_t i = 0; i < have + n; i++) {
			struct shadow *s = i < have ? old->list[i] : more[i - have];
			if (i < have && node && s->node == node)
				continue;
			list->list[list->count++] = s;
			s->refs++;
		}
		o->data = list;
	}
	pthread_mutex_unlock(&lock);
	if (list && old) {
		struct object holder = {.data = old};
		shadows_drop(&holder);
	}
}

void shadows_replace(struct object *graph, void *node, struct shadow *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		list[i]->node = node;
	if (n || graph->data)
		change(graph, node, list, n);
}

void shadow_discard(struct shadow *s) { shadow_free(s); }
void shadow_attach(struct object *graph, struct shadow *s) { change(graph, NULL, &s, 1); }

void shadows_share(struct object *to, const struct object *from)
{
	const struct shadows *s = from ? from->data : NULL;
	if (to && s)
		change(to, NULL, s->list, s->count);
}

static void drop(struct shadows *s)
{
	pthread_mutex_lock(&lock);
	bool last = --s->refs == 0;
	size_t ended = 0;
	for (size_t i = 0; last && i < s->count; i++)
		if (--s->list[i]->refs == 0)
			s->list[ended++] = s->list[i];
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < ended; i++)
		shadow_free(s->list[i]);
	if (last)
		free(s);
}

void shadows_drop(struct object *o)
{
	struct shadows *s = o->data;
	o->data = NULL;
	if (s)
		drop(s);
}

/* Copies between the program's memory and a shadow. */
static void move(const struct shadow *s)
{
	uint8_t *packed = (uint8_t *)(uintptr_t)s->pinned.base;
	const struct box *b = &s->box;
	for (uint64_t z = 0; z < b->depth; z++)
		for (uint64_t y = 0; y < b->height; y++, packed += b->width) {
			uint8_t *row = box_row(s->in ? &b->src : &b->dst, z, y);
			memcpy(s->in ? packed : row, s->in ? row : packed, b->width);
		}
}

static void move_all(const struct shadows *s, bool in)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i]->in == in)
			move(s->list[i]);
}

static void fill(void *p) { move_all(p, true); }

static void empty(void *p)
{
	move_all(p, false);
	drop(p);
}

static int enqueue(struct shadows *s, void *stream, void (*f)(void *))
{
	uint64_t id = callback_add(f, s, true);
	return id ? wire_host_func(stream, id) : CUDA_ERROR_OUT_OF_MEMORY;
}

int shadows_before(struct object *exec, void *stream)
{
	struct shadows *s = exec->data;
	return s ? enqueue(s, stream, fill) : CUDA_SUCCESS;
}

int shadows_after(struct object *exec, void *stream)
{
	struct shadows *s = exec->data;
	if (!s)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	s->refs++; /* dropped when the copies are done */
	pthread_mutex_unlock(&lock);
	return enqueue(s, stream, empty);
}

int shadow_copy_captured(uint64_t device, void *host, size_t n, void *stream, bool in)
{
	struct box_side h = {.type = 1, .host = (uint64_t)(uintptr_t)host, .address = (uint64_t)(uintptr_t)host, .pitch = n, .rows = 1};
	struct box_side d = {.type = 2, .device = device, .address = device, .pitch = n, .rows = 1};
	struct box b = {.src = in ? h : d, .dst = in ? d : h, .width = n, .height = 1, .depth = 1};
	struct object *graph;
	struct shadow *s;
	int r = capture_graph(stream, &graph);
	if (!r)
		r = shadow_make(&b, in, &s);
	if (r)
		return r;
	shadow_attach(graph, s);
	return in ? wire_copy_in_region(device, s->pinned.base, n, stream) : wire_copy_out_region(s->pinned.base, device, n, stream);
}
