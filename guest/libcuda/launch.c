// SPDX-License-Identifier: Apache-2.0
/*
 * Launches. A launch is checked here as far as NVIDIA's driver checks it before it returns, so that a wrong one fails at
 * once; then its parameters go straight into the ring, and nothing waits but the first launch of a kind (accepted.h).
 */
#include <stdlib.h>

#include "call.h"
#include "context.h"
#include "copy.h"
#include "device.h"
#include "exported.h"
#include "function.h"
#include "generated/calls.h"
#include "launch.h"
#include "state.h"

static bool within(const struct device *d, const struct launch *l, int max_threads)
{
	enum { MAX_BLOCK_X = 2, MAX_GRID_X = 5 };
	uint64_t threads = 1;
	for (int i = 0; i < 3; i++) {
		if (!l->grid[i] || l->grid[i] > (uint32_t)d->attributes[MAX_GRID_X + i] || !l->block[i] ||
		    l->block[i] > (uint32_t)d->attributes[MAX_BLOCK_X + i])
			return false;
		threads *= l->block[i];
	}
	return threads <= (uint64_t)max_threads;
}

int launch_check(const struct launch *l)
{
	const struct device *d = &session.devices[thread.context->device];
	const struct function *f = function_of(l->function);
	int ignored;
	if (unlikely(!d->facts)) {
		int r = device_attribute(&ignored, 1, thread.context->device);
		if (r)
			return r;
	}
	if (!within(d, l, d->attributes[1]))
		return CUDA_ERROR_INVALID_VALUE;
	if (!within(d, l, f->attributes[ATTRIBUTE_MAX_THREADS]))
		return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	if (l->shared > (uint32_t)f->attributes[ATTRIBUTE_MAX_DYNAMIC])
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

int params_find(void **values, void **extra, struct params *p)
{
	enum { END = 0, BUFFER = 1, BUFFER_SIZE = 2 };
	*p = (struct params){.values = values};
	if (values || !extra)
		return CUDA_SUCCESS;
	for (; *extra != (void *)END; extra += 2) {
		if (*extra == (void *)BUFFER)
			p->buffer = extra[1];
		else if (*extra == (void *)BUFFER_SIZE)
			p->bytes = *(size_t *)extra[1];
		else
			return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

int params_check(const struct function *f, const struct params *p)
{
	for (uint32_t i = 0; p->values && i < f->param_count; i++)
		if (unlikely(!p->values[i]))
			return CUDA_ERROR_INVALID_VALUE;
	return p->values || p->buffer || !f->param_count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void params_pack(const struct function *f, const struct params *p, uint8_t *to)
{
	for (uint32_t i = 0; p->values && i < f->param_count; i++)
		memcpy(to + f->params[i].offset, p->values[i], f->params[i].size);
	if (!p->values && p->buffer)
		memcpy(to, p->buffer, p->bytes < f->param_bytes ? p->bytes : f->param_bytes);
}

static int cooperative_check(const struct launch *l);

static bool is_cooperative(const uint8_t *attributes, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint32_t id, value;
		memcpy(&id, attributes + i * LAUNCH_ATTRIBUTE_BYTES, 4);
		memcpy(&value, attributes + i * LAUNCH_ATTRIBUTE_BYTES + 8, 4);
		if (id == LAUNCH_COOPERATIVE && value)
			return true;
	}
	return false;
}

/* Writes a launch into the ring. Attributes are CUlaunchAttribute entries with ids in place of handles. */
static int launch_send(const struct launch *l, const uint8_t *attributes, uint64_t count, const struct params *p)
{
	const struct function *f = function_of(l->function);
	uint64_t stream, bytes = f->param_bytes, attribute_bytes = count * LAUNCH_ATTRIBUTE_BYTES;
	if (!handle_id(l->stream, KIND_STREAM, &stream))
		return CUDA_ERROR_INVALID_HANDLE;
	size_t room = 11 * 8 + call_pad(bytes) + (count ? 16 + attribute_bytes : 0);
	bool known = accepted_like(l, attributes, count);
	struct call c;
	int r = call_begin(&c, count ? OP_launch_ex : OP_launch, room, known ? CALL_CAST : CALL_WAIT);
	if (r)
		return r;
	call_u64(&c, object_id(l->function));
	for (int i = 0; i < 3; i++)
		call_u64(&c, l->grid[i]);
	for (int i = 0; i < 3; i++)
		call_u64(&c, l->block[i]);
	call_u64(&c, l->shared);
	call_u64(&c, stream);
	if (count) {
		call_blob(&c, attributes, attribute_bytes);
		call_u64(&c, count);
	}
	call_u64(&c, bytes);
	if (bytes) {
		memset(c.at + call_pad(bytes) - 8, 0, 8);
		params_pack(f, p, c.at);
		c.at += call_pad(bytes);
	}
	call_u64(&c, bytes);
	r = call_end(&c);
	if (!known && !r)
		accepted_note(l, attributes, count);
	return r ? r : call_deferred();
}

static int launch(struct launch *l, void *function, const uint8_t *attributes, uint64_t count, void **values, void **extra)
{
	struct params p;
	l->function = function_get(function);
	if (unlikely(!l->function))
		return CUDA_ERROR_INVALID_HANDLE;
	int r = launch_check(l);
	if (!r && unlikely(count) && is_cooperative(attributes, count))
		r = cooperative_check(l);
	if (likely(!r))
		r = params_find(values, extra, &p);
	if (likely(!r))
		r = params_check(function_of(l->function), &p);
	if (unlikely(r) && stream_capturing(l->stream))
		wire_stream_sync(l->stream); /* the driver has to hear of what it would refuse, which ends a capture */
	return r ? r : launch_send(l, attributes, count, &p);
}

#define SHAPE {gx, gy, gz}, {bx, by, bz}

EXPORT int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
			  unsigned shared, void *stream, void **values, void **extra)
{
	int r = enter_context();
	struct launch l = {NULL, SHAPE, shared, stream_arg(stream)};
	return r ? r : launch(&l, function, NULL, 0, values, extra);
}

EXPORT int cuLaunchKernel_ptsz(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
			       unsigned shared, void *stream, void **values, void **extra)
{
	int r = enter_context();
	struct launch l = {NULL, SHAPE, shared, r ? NULL : stream_per_thread(stream)};
	return r ? r : launch(&l, function, NULL, 0, values, extra);
}

int attributes_translate(uint8_t *to, const uint8_t *from, uint64_t count)
{
	enum { PROGRAMMATIC_EVENT = 7, COMPLETION_EVENT = 12 };
	memcpy(to, from, count * LAUNCH_ATTRIBUTE_BYTES);
	for (uint64_t i = 0; i < count; i++, to += LAUNCH_ATTRIBUTE_BYTES) {
		uint32_t kind;
		memcpy(&kind, to, 4);
		if (kind != PROGRAMMATIC_EVENT && kind != COMPLETION_EVENT)
			continue;
		void *event;
		uint64_t id;
		memcpy(&event, to + 8, 8);
		if (!handle_id(event, KIND_EVENT, &id))
			return CUDA_ERROR_INVALID_HANDLE;
		memcpy(to + 8, &id, 8);
	}
	return CUDA_SUCCESS;
}

/* The fields of a CUlaunchConfig. */
int config_read(const uint8_t *config, struct launch *l, const uint8_t **attributes, uint64_t *count)
{
	uint32_t n;
	if (!config)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(l->grid, config, 12);
	memcpy(l->block, config + 12, 12);
	memcpy(&l->shared, config + 24, 4);
	memcpy(&l->stream, config + 32, 8);
	memcpy(attributes, config + 40, 8);
	memcpy(&n, config + 48, 4);
	*count = *attributes ? n : 0;
	return *count <= LAUNCH_MAX_ATTRIBUTES ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static int launch_config(const uint8_t *config, void *function, void **values, void **extra, bool per_thread)
{
	struct launch l = {0};
	const uint8_t *attributes;
	uint8_t translated[LAUNCH_MAX_ATTRIBUTES * LAUNCH_ATTRIBUTE_BYTES];
	uint64_t count;
	int r = enter_context();
	if (!r)
		r = config_read(config, &l, &attributes, &count);
	if (!r && count)
		r = attributes_translate(translated, attributes, count);
	if (r)
		return r;
	l.stream = per_thread ? stream_per_thread(l.stream) : stream_arg(l.stream);
	return launch(&l, function, translated, count, values, extra);
}

EXPORT int cuLaunchKernelEx(const void *config, void *function, void **values, void **extra)
{
	return launch_config(config, function, values, extra, false);
}

EXPORT int cuLaunchKernelEx_ptsz(const void *config, void *function, void **values, void **extra)
{
	return launch_config(config, function, values, extra, true);
}

/* The blocks of a cooperative launch must all be resident. The answer for a function's last shape is kept. */
static int cooperative_check(const struct launch *l)
{
	enum { MULTIPROCESSORS = 16 };
	struct function *f = function_of(l->function);
	uint32_t threads = l->block[0] * l->block[1] * l->block[2];
	if (f->resident_threads != threads || f->resident_shared != l->shared) {
		int blocks, r = cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, l->function, (int)threads, l->shared);
		if (r)
			return r;
		f->resident_blocks = blocks;
		f->resident_threads = threads;
		f->resident_shared = l->shared;
	}
	uint64_t room = (uint64_t)f->resident_blocks * (uint64_t)session.devices[thread.context->device].attributes[MULTIPROCESSORS];
	return (uint64_t)l->grid[0] * l->grid[1] * l->grid[2] <= room ? CUDA_SUCCESS : CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
}

static int launch_cooperative(struct launch *l, void *function, void **values)
{
	uint8_t attribute[LAUNCH_ATTRIBUTE_BYTES] = {LAUNCH_COOPERATIVE};
	attribute[8] = 1;
	return launch(l, function, attribute, 1, values, NULL);
}

EXPORT int cuLaunchCooperativeKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
				     unsigned shared, void *stream, void **values)
{
	int r = enter_context();
	struct launch l = {NULL, SHAPE, shared, stream_arg(stream)};
	return r ? r : launch_cooperative(&l, function, values);
}

EXPORT int cuLaunchCooperativeKernel_ptsz(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
					  unsigned bz, unsigned shared, void *stream, void **values)
{
	int r = enter_context();
	struct launch l = {NULL, SHAPE, shared, r ? NULL : stream_per_thread(stream)};
	return r ? r : launch_cooperative(&l, function, values);
}

/* CUDA_LAUNCH_PARAMS: a launch of one GPU's. */
struct multi_launch {
	void *function;
	unsigned gx, gy, gz, bx, by, bz, shared;
	void *stream, **values;
};

/* On one GPU this is a cooperative launch. Between several the kernels might wait for each other, for which
 * workers have no means. */
EXPORT int cuLaunchCooperativeKernelMultiDevice(const struct multi_launch *list, unsigned n, unsigned flags)
{
	enum { NO_PRE_SYNC = 1, NO_POST_SYNC = 2 };
	static int once;
	int r = enter_context();
	if (!r && (!list || !n || flags & ~(unsigned)(NO_PRE_SYNC | NO_POST_SYNC)))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !list->stream)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && n > 1)
		r = not_supported("cuLaunchCooperativeKernelMultiDevice on several GPUs", &once);
	struct launch l = r ? (struct launch){0} : (struct launch){.grid = {list->gx, list->gy, list->gz}, .block = {list->bx, list->by, list->bz},
		.shared = list->shared, .stream = stream_arg(list->stream)};
	return r ? r : launch_cooperative(&l, list->function, list->values);
}
