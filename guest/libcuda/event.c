// SPDX-License-Identifier: Apache-2.0
/* Events. Making and recording one needs no answer. */
#include "call.h"
#include "capture.h"
#include "eventword.h"
#include "generated/calls.h"
#include "object.h"
#include "state.h"

enum { BLOCKING = 1, NO_TIMING = 2, INTERPROCESS = 4 };

/* Others than this process's calls record the event, too: only the worker knows how far it has come. */
static void event_outside(void *event)
{
	struct object *o = object_get(event, KIND_EVENT);
	if (o)
		word_never(o);
}

EXPORT int cuEventCreate(void **event, unsigned int flags)
{
	int r = enter_context();
	if (!r && (!event || flags & ~(unsigned)(BLOCKING | NO_TIMING | INTERPROCESS) || (flags & INTERPROCESS && !(flags & NO_TIMING))))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_cuEventCreate(event, flags);
	if (!r)
		((struct object *)*event)->number = flags;
	if (!r && flags & INTERPROCESS)
		event_outside(*event);
	return r;
}

static int event_check(void *event)
{
	int r = enter();
	return r ? r : object_get(event, KIND_EVENT) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

EXPORT int cuEventDestroy_v2(void *event)
{
	int r = event_check(event);
	if (r)
		return r;
	word_return(event);
	return wire_cuEventDestroy_v2(event);
}

/* Another process that waits for an event may be told at once that it is recorded: then it has to be. */
static int recorded(void *event)
{
	if (!(object_get(event, KIND_EVENT)->number & INTERPROCESS) || session.captures)
		return CUDA_SUCCESS;
	int r = wire_event_query(event);
	return r == CUDA_ERROR_NOT_READY ? CUDA_SUCCESS : r;
}

/* A record in a capture stands for later ones, at each launch of the graph, of which nothing is seen here. */
static int record_external(void *event, void *stream, unsigned flags)
{
	event_outside(event);
	return wire_cuEventRecordWithFlags(event, stream, flags);
}

static int record_plain(void *event, void *stream)
{
	struct object *o = event;
	uint32_t word, value;
	word_renew(o);
	if (session.captures || !word_next(o, &word, &value)) {
		word_forget(o);
		return wire_cuEventRecord(event, stream);
	}
	int r = wire_event_record_word(event, stream, word, value);
	if (r)
		word_forget(o);
	return r;
}

static int record(void *event, void *stream, unsigned flags)
{
	int r = event_check(event);
	if (!r)
		r = flags ? record_external(event, stream, flags) : record_plain(event, stream);
	if (!r)
		r = recorded(event);
	return r ? r : call_deferred();
}

EXPORT int cuEventRecord(void *event, void *stream) { return record(event, stream_arg(stream), 0); }
EXPORT int cuEventRecord_ptsz(void *event, void *stream) { return record(event, stream_per_thread(stream), 0); }
EXPORT int cuEventRecordWithFlags(void *event, void *stream, unsigned int flags) { return record(event, stream_arg(stream), flags); }

EXPORT int cuEventRecordWithFlags_ptsz(void *event, void *stream, unsigned int flags)
{
	return record(event, stream_per_thread(stream), flags);
}

/* Asks the worker. A word tells of the event's next records, and what the answer says of this one is not asked again. */
static int ask(void *event, int (*how)(void *event))
{
	word_wanted(event);
	uint64_t record = word_record(event);
	int r = how(event);
	if (!r)
		word_complete(event, record);
	return r ? r : call_deferred();
}

EXPORT int cuEventQuery(void *event)
{
	int r = event_check(event);
	if (r)
		return r;
	switch (capture_strict() ? WORD_ASK : word_look(event)) {
	case WORD_DONE:
		return call_deferred();
	case WORD_PENDING:
		return CUDA_ERROR_NOT_READY;
	case WORD_ASK:
		break;
	}
	return ask(event, wire_event_query);
}

EXPORT int cuEventSynchronize(void *event)
{
	int r = event_check(event);
	if (r)
		return r;
	if (!capture_strict() && word_await(event))
		return call_deferred();
	return ask(event, wire_event_wait);
}

/* Nodes that record an event do so when their graph runs. */

EXPORT int cuGraphAddEventRecordNode(void **node, void *graph, void *const *deps, size_t n, void *event)
{
	int r = enter();
	if (r)
		return r;
	event_outside(event);
	return wire_cuGraphAddEventRecordNode(node, graph, deps, n, event);
}

EXPORT int cuGraphEventRecordNodeSetEvent(void *node, void *event)
{
	int r = enter();
	if (r)
		return r;
	event_outside(event);
	return wire_cuGraphEventRecordNodeSetEvent(node, event);
}

EXPORT int cuGraphExecEventRecordNodeSetEvent(void *exec, void *node, void *event)
{
	int r = enter();
	if (r)
		return r;
	event_outside(event);
	return wire_cuGraphExecEventRecordNodeSetEvent(exec, node, event);
}
