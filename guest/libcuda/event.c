// SPDX-License-Identifier: Apache-2.0
/* Events. Making and recording one needs no answer. */
#include "call.h"
#include "generated/calls.h"
#include "object.h"
#include "state.h"

enum { BLOCKING = 1, NO_TIMING = 2, INTERPROCESS = 4 };

EXPORT int cuEventCreate(void **event, unsigned int flags)
{
	int r = enter_context();
	if (!r && (!event || flags & ~(unsigned)(BLOCKING | NO_TIMING | INTERPROCESS) || (flags & INTERPROCESS && !(flags & NO_TIMING))))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_cuEventCreate(event, flags);
	if (!r)
		((struct object *)*event)->number = flags;
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
	return r ? r : wire_cuEventDestroy_v2(event);
}

/* Another process that waits for an event may be told at once that it is recorded: then it has to be. */
static int recorded(void *event)
{
	if (!(object_get(event, KIND_EVENT)->number & INTERPROCESS) || session.captures)
		return CUDA_SUCCESS;
	int r = wire_cuEventQuery(event);
	return r == CUDA_ERROR_NOT_READY ? CUDA_SUCCESS : r;
}

static int record(void *event, void *stream, unsigned flags)
{
	int r = event_check(event);
	if (!r)
		r = flags ? wire_cuEventRecordWithFlags(event, stream, flags) : wire_cuEventRecord(event, stream);
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

EXPORT int cuEventQuery(void *event)
{
	int r = event_check(event);
	if (!r)
		r = wire_cuEventQuery(event);
	return r ? r : call_deferred();
}

EXPORT int cuEventSynchronize(void *event)
{
	int r = event_check(event);
	if (!r)
		r = wire_event_wait(event);
	return r ? r : call_deferred();
}
