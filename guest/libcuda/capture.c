// SPDX-License-Identifier: Apache-2.0
#include "capture.h"

#include <stdlib.h>

#include "generated/calls.h"
#include "graph.h"
#include "object.h"
#include "shadow.h"

struct capture {
	struct capture *next;
	void *stream; /* at which it began */
	struct object *given; /* the program's graph, NULL if the capture makes its own */
	struct object *graph; /* its own, NULL before anybody has asked */
	uint64_t thread;
	unsigned mode;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct capture *captures;

/* Threads are told apart by numbers of their own: an address of one that has ended comes again. */
static uint64_t thread_number(void)
{
	static _Atomic uint64_t last;
	if (!thread.number)
		thread.number = atomic_fetch_add(&last, 1) + 1;
	return thread.number;
}

bool capture_begun(void *stream, void *given, unsigned mode)
{
	struct capture *c = malloc(sizeof *c);
	if (!c)
		return false;
	*c = (struct capture){.stream = stream, .given = given, .thread = thread_number(), .mode = mode};
	pthread_mutex_lock(&lock);
	c->next = captures;
	captures = c;
	session.captures++;
	pthread_mutex_unlock(&lock);
	return true;
}

/* Where the list points to the capture that began at a stream. The caller holds the lock. */
static struct capture **find(void *stream)
{
	struct capture **at = &captures;
	while (*at && (*at)->stream != stream)
		at = &(*at)->next;
	return at;
}

int capture_may_end(void *stream, bool *own)
{
	pthread_mutex_lock(&lock);
	const struct capture *c = *find(stream);
	bool wrong = c && c->mode != CAPTURE_RELAXED && c->thread != thread_number();
	*own = c && !c->given;
	pthread_mutex_unlock(&lock);
	return wrong ? CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD : CUDA_SUCCESS;
}

void capture_ended(void *stream, bool well)
{
	pthread_mutex_lock(&lock);
	struct capture **at = find(stream), *c = *at;
	if (c) {
		*at = c->next;
		session.captures--;
	}
	pthread_mutex_unlock(&lock);
	if (c && c->graph && !well) { /* the driver has ended it */
		shadows_drop(c->graph);
		graph_nodes_free(c->graph);
		object_free(c->graph);
	}
	free(c);
}

static int graph_of(void *stream, struct object **graph)
{
	uint8_t items[3072];
	unsigned status;
	uint64_t id, total;
	void *got = NULL;
	int r = wire_capture_info(stream, UINT64_MAX, &status, &id, &got, &total, items);
	*graph = object_get(got, KIND_GRAPH);
	return r ? r : *graph ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
}

int capture_graph(void *stream, struct object **graph)
{
	uint32_t mode = capture_relax(); /* or asking would want the lock */
	int r = graph_of(stream, graph);
	pthread_mutex_lock(&lock);
	for (struct capture *c = captures; c && !r; c = c->next) /* the stream may be one that was drawn in */
		if (!c->given && !c->graph)
			graph_of(c->stream, &c->graph); /* one that is invalid has none */
	pthread_mutex_unlock(&lock);
	capture_restore(mode);
	return r;
}

bool capture_prohibits(void)
{
	bool prohibited = false;
	uint64_t me = thread_number();
	if (thread.capture_mode == CAPTURE_RELAXED)
		return false;
	pthread_mutex_lock(&lock);
	for (const struct capture *c = captures; c && !prohibited; c = c->next)
		prohibited = c->thread == me ? c->mode != CAPTURE_RELAXED : c->mode == CAPTURE_GLOBAL && thread.capture_mode == CAPTURE_GLOBAL;
	pthread_mutex_unlock(&lock);
	return prohibited;
}
