// SPDX-License-Identifier: Apache-2.0
/*
 * Pinned host memory: pieces of the region, registered with the driver by the worker, at the same address on
 * both sides. Managed memory is the same here: host and GPU both access it, coherently, in any order.
 */
#include "advice.h"
#include "call.h"
#include "context.h"
#include "generated/calls.h"
#include "memory.h"
#include "object.h"
#include "state.h"

enum { PORTABLE = 1, DEVICE_MAP = 2, WRITE_COMBINED = 4, PAGE = 4096 };

static uint64_t pages(uint64_t size) { return (size + PAGE - 1) & ~(uint64_t)(PAGE - 1); }

int host_share(struct range *range, bool reachable)
{
	int r = wire_host_alloc(range->base, pages(range->size), range->flags | (reachable ? WIRE_HOST_REACHABLE : 0), &range->device_address);
	if (!r && !memory_add(*range)) {
		wire_host_free(range->base, pages(range->size));
		r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r)
		heap_free(range->base, range->size);
	return r;
}

static int host_alloc(void **p, size_t size, unsigned flags, int type, bool mapped)
{
	uint64_t at = heap_alloc(size);
	if (!at)
		return CUDA_ERROR_OUT_OF_MEMORY;
	struct range range = {.base = at, .size = size, .type = (uint8_t)type, .context = context_owner(),
			      .device = thread.context->device, .flags = flags};
	int r = host_share(&range, mapped || type == MEMORY_MANAGED);
	if (!r)
		*p = (void *)(uintptr_t)at;
	return r;
}

/* Frees what host_alloc made; the range has left the table. */
int host_release(struct range *range)
{
	int r = wire_host_free(range->base, pages(range->size));
	if (range->type == MEMORY_MANAGED)
		advice_forget(range->base, range->size);
	heap_free(range->base, range->size);
	return r;
}

EXPORT int cuMemHostAlloc(void **p, size_t size, unsigned int flags)
{
	int r = enter_context();
	if (!r && (!p || !size || flags & ~(unsigned)(PORTABLE | DEVICE_MAP | WRITE_COMBINED)))
		r = CUDA_ERROR_INVALID_VALUE;
	return r ? r : host_alloc(p, size, flags | DEVICE_MAP, MEMORY_PINNED, flags & DEVICE_MAP);
}

EXPORT int cuMemAllocHost_v2(void **p, size_t size) { return cuMemHostAlloc(p, size, 0); }

static int free_pinned(uint64_t base)
{
	struct range range;
	if (!memory_find(base, &range) || range.base != base || range.type != MEMORY_PINNED || range.pooled || !memory_remove(base, &range))
		return CUDA_ERROR_INVALID_VALUE;
	return host_release(&range);
}

EXPORT int cuMemFreeHost(void *p)
{
	struct object *mine = thread.context;
	int r = enter_context_for((uint64_t)(uintptr_t)p);
	if (!r && p)
		r = free_pinned((uint64_t)(uintptr_t)p);
	thread.context = mine;
	return r;
}

EXPORT int cuMemAllocManaged(uint64_t *address, size_t size, unsigned int flags)
{
	enum { GLOBAL = 1, HOST = 2 };
	void *p;
	int r = enter_context();
	if (!r && (!address || !size || (flags != GLOBAL && flags != HOST)))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = host_alloc(&p, size, flags, MEMORY_MANAGED, true);
	if (!r)
		*address = (uint64_t)(uintptr_t)p;
	return r;
}

static int host_find(const void *p, struct range *range)
{
	int r = enter_context();
	if (r)
		return r;
	if (!memory_find((uint64_t)(uintptr_t)p, range) || range->type == MEMORY_DEVICE || range->type == MEMORY_RESERVED)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

EXPORT int cuMemHostGetDevicePointer_v2(uint64_t *address, void *p, unsigned int flags)
{
	struct range range;
	int r = host_find(p, &range);
	if (!r && (!address || flags))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*address = range.device_address + ((uint64_t)(uintptr_t)p - range.base);
	return r;
}

EXPORT int cuMemHostGetFlags(unsigned int *flags, void *p)
{
	struct range range;
	int r = host_find(p, &range);
	if (!r && !flags)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*flags = range.flags;
	return r;
}
