// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "state.h"

/* Per-thread default streams are streams of this library's own, made for a thread and context when first
 * used, since in the worker all commands run on one thread. */
enum { STREAM_NON_BLOCKING = 1 };

struct per_thread_stream {
	struct object *context;
	void *stream;
	struct per_thread_stream *next;
};

/* Notes the facts of a stream that has just been made in a context. */
void stream_note(struct object *o, struct object *context, unsigned flags, int priority);

/*
 * For libraries that want a stream's id by a private table: the name of a stream, which is only good for stream_name_id.
 * A default stream is named by its context. NULL as the context is the current one, and NULL as the stream the thread's own
 * default stream if per_thread.
 */
int stream_name(void *context, void *stream, void **name, uint32_t per_thread);
/* What cuStreamGetId says of a stream, by its name. */
int stream_name_id(void *context, void *name, uint64_t *id);
