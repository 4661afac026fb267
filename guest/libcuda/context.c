// SPDX-License-Identifier: Apache-2.0
/* Contexts: which one is current is each thread's own matter, and is told to the worker with each command. */
#include "context.h"

#include <stdlib.h>

#include "call.h"
#include "copy.h"
#include "device.h"
#include "hostpool.h"
#include "idle.h"
#include "log.h"
#include "memory.h"
#include "register.h"
#include "stage.h"
#include "state.h"
#include "stream.h"
#include "thread.h"

enum { API_VERSION = 3020 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of primary contexts */

struct context_stack {
	struct object *context;
	struct context_stack *below;
};

uint64_t unique_id(void)
{
	static _Atomic uint64_t last;
	return atomic_fetch_add(&last, 1) + 1;
}

struct context *context_new(void)
{
	static _Atomic unsigned made;
	struct context *c = calloc(1, sizeof *c);
	if (c)
		c->id = unique_id();
	if (atomic_fetch_add(&made, 1))
		copies_beside();
	return c;
}

void context_free(struct context *c)
{
	free(c->coredump);
	free(c);
}

void context_set(struct object *context)
{
	thread.context = context;
	if (context)
		thread_watch();
}

/* A context that another thread has destroyed stays current, but its object is no context's any more. */
static bool destroyed(const struct object *o) { return o->kind != KIND_CTX; }

int context_fault(void)
{
	return unlikely(destroyed(thread.context)) ? CUDA_ERROR_CONTEXT_IS_DESTROYED : context_of(thread.context)->sticky;
}

int context_missing(const char *function)
{
	log_line(LOG_DEBUG, "%s: no current context", function);
	return CUDA_ERROR_INVALID_CONTEXT;
}

bool context_ended_by(int r)
{
	switch (r) {
	case CUDA_ERROR_ILLEGAL_ADDRESS:
	case CUDA_ERROR_LAUNCH_TIMEOUT:
	case CUDA_ERROR_ASSERT:
	case CUDA_ERROR_HARDWARE_STACK_ERROR:
	case CUDA_ERROR_ILLEGAL_INSTRUCTION:
	case CUDA_ERROR_MISALIGNED_ADDRESS:
	case CUDA_ERROR_INVALID_ADDRESS_SPACE:
	case CUDA_ERROR_INVALID_PC:
	case CUDA_ERROR_LAUNCH_FAILED:
	case CUDA_ERROR_ECC_UNCORRECTABLE:
		return true;
	default:
		return false;
	}
}

int context_note(int r)
{
	if (context_ended_by(r) && thread.context && !destroyed(thread.context))
		context_of(thread.context)->sticky = r;
	return r;
}

struct object *context_owner(void)
{
	struct object *o = thread.context;
	return o && context_of(o)->green ? context_of(o)->primary_object : o;
}

/* A handle given by the program: NULL is allowed where it means none. */
static int context_get(void *handle, struct object **o)
{
	*o = object_get(handle, KIND_CTX);
	return *o ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

/* The object that names a device's primary context, whether it is active or not. */
struct object *primary_context_name(int device)
{
	struct device *d = &session.devices[device];
	pthread_mutex_lock(&lock);
	if (!d->primary_name) {
		struct object *o = object_new(KIND_CTX);
		struct context *c = o ? context_new() : NULL;
		if (c) {
			c->primary = 1;
			o->data = c;
			o->device = (uint16_t)device;
			o->context = NULL;
			d->primary_name = o;
		} else if (o) {
			object_free(o);
		}
	}
	pthread_mutex_unlock(&lock);
	return d->primary_name;
}

EXPORT int cuDevicePrimaryCtxRetain(void **context, int device)
{
	struct device *d;
	int r = device_get(device, &d);
	if (!r && !context)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	struct object *name = primary_context_name(device);
	if (!name)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	if (!d->primary) {
		/* cudart makes the context current before it retains it; what the worker knows under this name, if
		 * anything, is the context's earlier life. */
		struct object *mine = thread.context;
		struct call c;
		thread.context = NULL;
		r = call_begin(&c, OP_primary_retain, 16, CALL_WAIT);
		if (!r) {
			call_u64(&c, (uint32_t)device);
			call_u64(&c, object_id(name));
			r = call_end(&c);
		}
		thread.context = mine;
		if (!r)
			d->primary = name;
	}
	if (!r) {
		d->primary_refs++;
		*context = d->primary;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* Lets go of a primary context, and ends it with its last holder, or at once for a reset: what it held is gone,
 * its name stays for its next life. A CUresult. */
static int primary_release(int device, bool reset)
{
	struct device *d;
	int r = device_get(device, &d);
	if (r)
		return r;
	struct object *ended = NULL;
	pthread_mutex_lock(&lock);
	if (!d->primary && !reset)
		r = CUDA_ERROR_INVALID_CONTEXT;
	else if (d->primary && (reset || --d->primary_refs == 0))
		ended = d->primary;
	if (ended) {
		d->primary = NULL;
		d->primary_refs = 0;
		context_of(ended)->sticky = 0;
		context_of(ended)->life++;
		registered_forget_context(ended);
		if (!device)
			host_pools_ending(ended);
		r = wire_primary_reset(device);
		stage_forget(ended);
		memory_forget_context(ended);
		if (!device)
			host_pools_reset();
	}
	pthread_mutex_unlock(&lock);
	if (ended)
		storage_clear(ended); /* outside the lock: its destructors may call CUDA */
	return r;
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device) { return primary_release(device, false); }
EXPORT int cuDevicePrimaryCtxReset_v2(int device) { return primary_release(device, true); }

EXPORT int cuDevicePrimaryCtxGetState(int device, unsigned int *flags, int *active)
{
	struct device *d;
	int r = device_get(device, &d);
	if (!r && (!flags || !active))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r) {
		*flags = d->primary_flags;
		*active = d->primary != NULL;
	}
	return r;
}

EXPORT int cuDevicePrimaryCtxSetFlags_v2(int device, unsigned int flags)
{
	struct device *d;
	int r = device_get(device, &d);
	if (r)
		return r;
	if (flags & ~0xffu)
		return CUDA_ERROR_INVALID_VALUE;
	d->primary_flags = flags;
	return CUDA_SUCCESS;
}

static int push(struct object *o)
{
	struct context_stack *s = malloc(sizeof *s);
	if (!s)
		return CUDA_ERROR_OUT_OF_MEMORY;
	s->context = thread.context;
	s->below = thread.stack;
	thread.stack = s;
	context_set(o);
	return CUDA_SUCCESS;
}

static void pop(void)
{
	struct context_stack *s = thread.stack;
	thread.context = s ? s->context : NULL;
	if (s) {
		thread.stack = s->below;
		free(s);
	}
}

void context_stack_free(void)
{
	while (thread.stack)
		pop();
}

void context_leave(struct object *context)
{
	if (thread.context == context)
		pop();
}

EXPORT int cuCtxCreate_v2(void **context, unsigned int flags, int device)
{
	struct device *d;
	int r = device_get(device, &d);
	if (!r && !context)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	struct context *c = context_new();
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	void *handle;
	r = wire_cuCtxCreate_v2(&handle, flags, device);
	if (r) {
		context_free(c);
		return r;
	}
	struct object *o = handle;
	c->flags = flags;
	o->data = c;
	o->device = (uint16_t)device;
	o->context = NULL;
	r = push(o);
	*context = o;
	return r;
}

EXPORT int cuCtxCreate_v3(void **context, const void *affinity, int count, unsigned int flags, int device)
{
	if (affinity && count > 0)
		return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
	return cuCtxCreate_v2(context, flags, device);
}

EXPORT int cuCtxCreate_v4(void **context, const void *const *params, unsigned int flags, int device)
{
	if (params && params[0]) /* execution affinities come first in the structure */
		return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
	return cuCtxCreate_v2(context, flags, device);
}

EXPORT int cuCtxDestroy_v2(void *context)
{
	struct object *o;
	int r = enter();
	if (!r)
		r = context_get(context, &o);
	if (r)
		return r;
	struct context *c = context_of(o);
	if (c->primary || c->green)
		return CUDA_ERROR_INVALID_CONTEXT;
	storage_clear(o);
	registered_forget_context(o);
	memory_forget_context(o);
	context_leave(o);
	r = wire_cuCtxDestroy_v2(o);
	stage_forget(o);
	if (!r)
		context_free(c);
	return r;
}

EXPORT int cuCtxPushCurrent_v2(void *context)
{
	struct object *o;
	int r = enter();
	if (!r)
		r = context_get(context, &o);
	return r ? r : push(o);
}

EXPORT int cuCtxPopCurrent_v2(void **context)
{
	int r = enter_context();
	if (r)
		return r;
	if (context)
		*context = thread.context;
	pop();
	return CUDA_SUCCESS;
}

EXPORT int cuCtxSetCurrent(void *context)
{
	struct object *o = NULL;
	int r = enter();
	if (!r && context)
		r = context_get(context, &o);
	if (!r)
		context_set(o);
	return r;
}

int enter_context_of_object_(const char *function, const void *handle, int kind)
{
	struct object *o = thread.context || session.state != SESSION_LIVE ? NULL : object_get(handle, kind);
	if (o)
		thread.context = object_get(o->context, KIND_CTX); /* which may have ended */
	return enter_context_of(function);
}

EXPORT int cuCtxGetCurrent(void **context)
{
	int r = enter();
	if (!r && !context)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*context = thread.context;
	return r;
}

/* The context of a handle, or the current one for NULL, where a result can be stored. A CUresult. */
static int context_or_current(void *handle, const void *result, struct object **o)
{
	*o = thread.context;
	int r = handle ? enter() : enter_context();
	if (!r && !result)
		r = CUDA_ERROR_INVALID_VALUE;
	return r || !handle ? r : context_get(handle, o);
}

EXPORT int cuCtxGetDevice_v2(int *device, void *context)
{
	struct object *o;
	int r = context_or_current(context, device, &o);
	if (!r)
		*device = o->device;
	return r;
}

EXPORT int cuCtxGetDevice(int *device) { return cuCtxGetDevice_v2(device, NULL); }

EXPORT int cuCtxGetFlags(unsigned int *flags)
{
	int r = enter_context();
	if (!r && !flags)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*flags = context_of(thread.context)->primary ? session.devices[thread.context->device].primary_flags
							      : context_of(thread.context)->flags;
	return r;
}

EXPORT int cuCtxSetFlags(unsigned int flags)
{
	int r = enter_context();
	if (!r)
		context_of(thread.context)->flags = flags;
	return r;
}

EXPORT int cuCtxGetId(void *context, uint64_t *id)
{
	struct object *o;
	int r = context_or_current(context, id, &o);
	if (!r)
		*id = context_of(o)->id;
	return r;
}

EXPORT int cuCtxGetApiVersion(void *context, unsigned int *version)
{
	struct object *o;
	int r = enter();
	if (!r && !version)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && context)
		r = context_get(context, &o);
	if (!r)
		*version = API_VERSION;
	return r;
}

EXPORT int cuCtxAttach(void **context, unsigned int flags)
{
	int r = enter_context();
	if (!r && (!context || flags))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*context = thread.context;
	return r;
}

EXPORT int cuCtxDetach(void *context)
{
	struct object *o;
	int r = enter();
	return r ? r : context_get(context, &o);
}

EXPORT int cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
	int l, g, r = enter_context();
	if (!r)
		r = wire_cuCtxGetStreamPriorityRange(&l, &g);
	if (!r && least)
		*least = l;
	if (!r && greatest)
		*greatest = g;
	return r;
}

EXPORT int cuCtxSynchronize(void)
{
	int r = enter_context();
	if (!r && !idle_context()) {
		r = wire_ctx_wait();
		if (!r)
			idle_note_context();
	}
	return r ? r : call_deferred();
}

EXPORT int cuCtxSynchronize_v2(void *context)
{
	struct object *o, *mine = thread.context;
	if (!context)
		return cuCtxSynchronize();
	int r = enter();
	if (!r)
		r = context_get(context, &o);
	if (r)
		return r;
	thread.context = o;
	r = cuCtxSynchronize();
	thread.context = mine;
	return r;
}
