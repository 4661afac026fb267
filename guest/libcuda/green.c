// SPDX-License-Identifier: Apache-2.0
/*
 * Green contexts: a part of a GPU's multiprocessors, with a context that stands for it. It keeps the primary
 * context of its GPU, to which its memory belongs.
 */
#include <stdlib.h>

#include "call.h"
#include "context.h"
#include "copy.h"
#include "device.h"
#include "exported.h"
#include "generated/calls.h"
#include "object.h"
#include "state.h"
#include "stream.h"

enum { OF_DEVICE, OF_CONTEXT, OF_GREEN, RESOURCE_BYTES = 144, RESOURCES_AT_ONCE = 20, DEFAULT_STREAM = 1 };

/* A green context's data is the object of its context. */
static int green_get(void *handle, struct object **o)
{
	int r = enter();
	*o = object_get(handle, KIND_GREEN);
	return r ? r : *o ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

static struct object *green_context(struct object *green) { return green->data; }

EXPORT int cuDeviceGetDevResource(int device, void *resource, unsigned int type)
{
	struct device *d;
	int r = device_get(device, &d);
	return r ? r : wire_resource_get(OF_DEVICE, device, NULL, NULL, type, resource);
}

EXPORT int cuCtxGetDevResource(void *context, void *resource, unsigned int type)
{
	int r = context ? enter() : enter_context();
	if (!context)
		context = thread.context;
	if (!r && !object_get(context, KIND_CTX))
		r = CUDA_ERROR_INVALID_CONTEXT;
	return r ? r : wire_resource_get(OF_CONTEXT, 0, context, NULL, type, resource);
}

EXPORT int cuGreenCtxGetDevResource(void *green, void *resource, unsigned int type)
{
	struct object *o;
	int r = green_get(green, &o);
	return r ? r : wire_resource_get(OF_GREEN, 0, NULL, o, type, resource);
}

/* With no result, only the number of groups is asked for. */
EXPORT int cuDevSmResourceSplitByCount(void *result, unsigned int *groups, const void *input, void *remaining, unsigned int flags,
				       unsigned int minimum)
{
	uint8_t rest[RESOURCE_BYTES], list[RESOURCES_AT_ONCE * RESOURCE_BYTES];
	unsigned total, done = 0;
	int r = enter();
	if (!r && (!groups || !input || (result && !*groups)))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	unsigned wanted = result ? *groups : 0;
	do {
		r = wire_resource_split(wanted, input, flags, minimum, done, &total, rest, list);
		if (r)
			return r;
		unsigned n = total - done < RESOURCES_AT_ONCE ? total - done : RESOURCES_AT_ONCE;
		if (!wanted)
			break;
		if (total > wanted)
			return CUDA_ERROR_UNKNOWN;
		memcpy((uint8_t *)result + (size_t)done * RESOURCE_BYTES, list, (size_t)n * RESOURCE_BYTES);
		done += n;
	} while (done < total);
	if (wanted && remaining)
		memcpy(remaining, rest, sizeof rest);
	*groups = total;
	return CUDA_SUCCESS;
}

EXPORT int cuDevResourceGenerateDesc(void **desc, const void *resources, unsigned int count)
{
	int r = enter();
	return r ? r : wire_resource_describe(desc, resources, count);
}

EXPORT int cuGreenCtxCreate(void **green, void *desc, int device, unsigned int flags)
{
	struct device *d;
	void *primary, *handle, *ctx;
	int r = device_get(device, &d);
	if (!r && (!green || !desc || flags != DEFAULT_STREAM))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	struct context *c = context_new();
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = cuDevicePrimaryCtxRetain(&primary, device);
	if (r) {
		context_free(c);
		return r;
	}
	r = wire_green_create(&handle, &ctx, desc, device, flags);
	if (r) {
		cuDevicePrimaryCtxRelease_v2(device);
		context_free(c);
		return r;
	}
	struct object *o = ctx, *g = handle;
	c->green = g;
	c->primary_object = primary;
	o->data = c;
	g->data = o;
	g->device = o->device = (uint16_t)device;
	g->context = o->context = NULL;
	*green = g;
	return CUDA_SUCCESS;
}

EXPORT int cuGreenCtxDestroy(void *green)
{
	struct object *g;
	int r = green_get(green, &g);
	if (r)
		return r;
	int device = g->device;
	struct object *o = green_context(g);
	struct context *c = context_of(o);
	storage_clear(o);
	context_leave(o);
	r = wire_green_destroy(g, o);
	context_free(c);
	int released = cuDevicePrimaryCtxRelease_v2(device);
	return r ? r : released;
}

EXPORT int cuCtxFromGreenCtx(void **context, void *green)
{
	struct object *g;
	int r = green_get(green, &g);
	if (!r && !context)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*context = green_context(g);
	return r;
}

EXPORT int cuGreenCtxGetId(void *green, uint64_t *id)
{
	struct object *g;
	int r = green_get(green, &g);
	return r ? r : cuCtxGetId(green_context(g), id);
}

EXPORT int cuGreenCtxStreamCreate(void **stream, void *green, unsigned int flags, int priority)
{
	struct object *g;
	int r = green_get(green, &g);
	if (!r && (!stream || flags != STREAM_NON_BLOCKING))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_cuGreenCtxStreamCreate(stream, g, flags, priority);
	if (!r)
		stream_note(*stream, green_context(g), flags, priority), copies_beside();
	return r;
}
