// SPDX-License-Identifier: Apache-2.0
/* Streams: made without waiting, their facts known here. */
#include "stream.h"

#include <stdlib.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "copy.h"
#include "generated/calls.h"
#include "idle.h"
#include "object.h"
#include "thread.h"

/* Priorities outside the device's range are moved into it, as CUDA does. */
static int clamp(int priority)
{
	static int least, greatest, known;
	if (priority && !known && !wire_cuCtxGetStreamPriorityRange(&least, &greatest))
		known = 1;
	return priority > least ? least : priority < greatest ? greatest : priority;
}

void stream_note(struct object *o, struct object *context, unsigned flags, int priority)
{
	o->context = context;
	o->number = flags;
	o->device = context->device;
	o->extra[0] = (uint64_t)(int64_t)priority;
	o->extra[1] = unique_id();
}

static int stream_new(void **stream, unsigned flags, int priority)
{
	priority = clamp(priority);
	int r = wire_cuStreamCreateWithPriority(stream, flags, priority);
	if (r)
		return r;
	stream_note(*stream, thread.context, flags, priority);
	if (flags & STREAM_NON_BLOCKING)
		copies_beside();
	return CUDA_SUCCESS;
}

void *stream_per_thread(void *stream)
{
	if (stream && stream != (void *)2)
		return stream;
	for (struct per_thread_stream *s = thread.streams; s; s = s->next)
		if (s->context == thread.context)
			return s->stream;
	struct per_thread_stream *s = thread.context ? malloc(sizeof *s) : NULL;
	if (!s || stream_new(&s->stream, 0, 0)) {
		free(s);
		return NULL;
	}
	s->context = thread.context;
	s->next = thread.streams;
	thread.streams = s;
	thread_watch();
	return s->stream;
}

void per_thread_streams_free(void)
{
	struct object *mine = thread.context;
	while (thread.streams) {
		struct per_thread_stream *s = thread.streams;
		thread.streams = s->next;
		if (session.state == SESSION_LIVE && object_get(s->stream, KIND_STREAM)) {
			thread.context = s->context;
			if (session.captures)
				capture_ended(s->stream, false);
			wire_cuStreamDestroy_v2(s->stream);
		}
		free(s);
	}
	thread.context = mine;
}

EXPORT int cuStreamCreateWithPriority(void **stream, unsigned int flags, int priority)
{
	int r = enter_context();
	if (!r && (!stream || flags & ~(unsigned)STREAM_NON_BLOCKING))
		r = CUDA_ERROR_INVALID_VALUE;
	return r ? r : stream_new(stream, flags, priority);
}

EXPORT int cuStreamCreate(void **stream, unsigned int flags) { return cuStreamCreateWithPriority(stream, flags, 0); }

EXPORT int cuStreamDestroy_v2(void *stream)
{
	int r = enter();
	if (!r && (legacy_stream(stream) || stream == (void *)2))
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && session.captures)
		capture_ended(stream, false);
	return r ? r : wire_cuStreamDestroy_v2(stream);
}

/* The object behind a stream, NULL for the default stream. A CUresult. */
static int stream_get(void *stream, struct object **o)
{
	int r = enter_context();
	*o = NULL;
	if (r || legacy_stream(stream))
		return r;
	if (stream == (void *)2)
		stream = stream_per_thread(NULL);
	*o = object_get(stream, KIND_STREAM);
	return *o ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static int get_priority(void *stream, int *priority)
{
	struct object *o;
	int r = stream_get(stream, &o);
	if (!r && !priority)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*priority = o ? (int)(int64_t)o->extra[0] : 0;
	return r;
}

static int get_flags(void *stream, unsigned int *flags)
{
	struct object *o;
	int r = stream_get(stream, &o);
	if (!r && !flags)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*flags = o ? (unsigned)o->number : 0;
	return r;
}

/* The thread's default stream in a context, which need not be current. */
static void *per_thread_of(struct object *context)
{
	struct object *mine = thread.context;
	thread.context = context;
	void *stream = stream_per_thread(NULL);
	thread.context = mine;
	return stream;
}

int stream_name(void *context, void *stream, void **name, uint32_t per_thread)
{
	int r = enter();
	if (!r && !name)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	if (object_get(stream, KIND_STREAM)) {
		*name = stream;
		return CUDA_SUCCESS;
	}
	if (stream > (void *)2)
		return CUDA_ERROR_INVALID_HANDLE;
	struct object *c = context ? object_get(context, KIND_CTX) : thread.context;
	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	*name = stream == (void *)2 || (!stream && per_thread) ? per_thread_of(c) : c;
	return *name ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

int stream_name_id(void *context, void *name, uint64_t *id)
{
	(void)context; /* a name says where it belongs */
	int r = enter();
	if (!r && !id)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	struct object *o = object_get(name, KIND_STREAM), *c = object_get(name, KIND_CTX);
	if (!o && !c)
		return CUDA_ERROR_INVALID_HANDLE;
	*id = o ? o->extra[1] : context_of(c)->id;
	return CUDA_SUCCESS;
}

/* A stream's own id needs no current context. */
static int get_id(void *stream, uint64_t *id)
{
	void *name;
	int r = enter();
	if (!r && thread.context)
		r = context_fault();
	if (!r)
		r = stream_name(NULL, stream, &name, 0);
	return r ? r : stream_name_id(NULL, name, id);
}

static int get_context(void *stream, void **context)
{
	struct object *o;
	int r = stream_get(stream, &o);
	if (!r && !context)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*context = o ? o->context : thread.context;
	return r;
}

static int get_device(void *stream, int *device)
{
	struct object *o;
	int r = stream_get(stream, &o);
	if (!r && !device)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*device = o ? o->device : thread.context->device;
	return r;
}

static int get_green(void *stream, void **green)
{
	void *context;
	int r = get_context(stream, &context);
	if (!r && !green)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*green = context_of(context)->green;
	return r;
}

/* A green context comes with the primary context that it is a part of. */
static int get_context_v2(void *stream, void **context, void **green)
{
	int r = get_context(stream, context);
	if (r)
		return r;
	struct context *c = context_of(*context);
	if (green)
		*green = c->green;
	if (c->green)
		*context = c->primary_object;
	return CUDA_SUCCESS;
}

static int query(void *stream)
{
	struct object *mine = thread.context;
	int r = enter_context_of_object(stream, KIND_STREAM);
	if (!r && (capture_strict() || !idle_stream(stream)))
		r = wire_cuStreamQuery(stream);
	if (!r)
		r = call_deferred();
	thread.context = mine;
	return r;
}

static int synchronize(void *stream)
{
	struct object *mine = thread.context;
	int r = enter_context_of_object(stream, KIND_STREAM);
	if (!r)
		r = stream_fence(stream);
	thread.context = mine;
	return r;
}

/* An exported function on a stream, and its variant for per-thread default streams, which are made in a context. */
#define STREAM_CALL(name, params, function, ...)                                                       \
	EXPORT int name params { return function(stream_arg(stream), ##__VA_ARGS__); }                  \
	EXPORT int name##_ptsz params                                                                   \
	{                                                                                                \
		int r = stream && stream != (void *)2 ? CUDA_SUCCESS : enter_context();                  \
		return r ? r : function(stream_per_thread(stream), ##__VA_ARGS__);                       \
	}

STREAM_CALL(cuStreamGetPriority, (void *stream, int *priority), get_priority, priority)
STREAM_CALL(cuStreamGetFlags, (void *stream, unsigned int *flags), get_flags, flags)
STREAM_CALL(cuStreamGetId, (void *stream, uint64_t *id), get_id, id)
STREAM_CALL(cuStreamGetCtx, (void *stream, void **context), get_context, context)
STREAM_CALL(cuStreamGetCtx_v2, (void *stream, void **context, void **green), get_context_v2, context, green)
EXPORT int cuStreamGetGreenCtx(void *stream, void **green) { return get_green(stream_arg(stream), green); }
STREAM_CALL(cuStreamGetDevice, (void *stream, int *device), get_device, device)
STREAM_CALL(cuStreamQuery, (void *stream), query)
STREAM_CALL(cuStreamSynchronize, (void *stream), synchronize)
