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
