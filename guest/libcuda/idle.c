// SPDX-License-Identifier: Apache-2.0
#include "idle.h"

#include "call.h"
#include "channel.h"
#include "context.h"
#include "object.h"

/* Where the ring stood when the stream was last known to be idle. Default streams keep it with their context. */
static _Atomic uint64_t *mark_of(void *stream)
{
	if (legacy_stream(stream))
		return &context_of(thread.context)->stream_idle;
	struct object *o = object_get(stream, KIND_STREAM);
	return o ? (_Atomic uint64_t *)&o->extra[2] : NULL;
}

/* A program that asks for nothing else must learn, too, when its worker has gone: not at each call, since looking
 * takes longer than the answer. */
static bool peer_there(void)
{
	enum { LOOK_EVERY_NS = 1000000 };
	static _Atomic uint64_t looked;
	uint64_t now = monotonic_ns();
	if (now - atomic_load_explicit(&looked, memory_order_relaxed) < LOOK_EVERY_NS)
		return true;
	atomic_store_explicit(&looked, now, memory_order_relaxed);
	return channel_alive();
}

static bool still(_Atomic uint64_t *mark)
{
	return atomic_load_explicit(mark, memory_order_relaxed) == call_position();
}

bool idle_stream(void *stream)
{
	_Atomic uint64_t *mark = mark_of(stream);
	bool here = legacy_stream(stream) || (mark && ((struct object *)stream)->context == thread.context);
	return mark && (still(mark) || (here && still(&context_of(thread.context)->idle))) && peer_there();
}

bool idle_context(void) { return still(&context_of(thread.context)->idle) && peer_there(); }

void idle_note_stream(void *stream)
{
	_Atomic uint64_t *mark = mark_of(stream);
	if (mark)
		atomic_store_explicit(mark, thread.answered, memory_order_relaxed);
	if (thread.whole)
		idle_note_context();
}

void idle_note_context(void) { atomic_store_explicit(&context_of(thread.context)->idle, thread.answered, memory_order_relaxed); }
