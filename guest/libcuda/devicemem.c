// SPDX-License-Identifier: Apache-2.0
/* Device memory: allocated by the worker, known here by address. */
#include "generated/calls.h"
#include "call.h"
#include "context.h"
#include "copy.h"
#include "device.h"
#include "exported.h"
#include "hostpool.h"
#include "log.h"
#include "memory.h"
#include "object.h"
#include "state.h"
#include "stream.h"

enum note { PLAIN, ASYNCHRONOUS, OF_GRAPH };

static int note(uint64_t address, uint64_t size, enum note how)
{
	struct range r = {.base = address, .size = size, .type = MEMORY_DEVICE, .context = context_owner(),
			  .device = thread.context ? thread.context->device : 0, .device_address = address, .asynchronous = how != PLAIN, .graph = how == OF_GRAPH};
	return memory_add(r) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static int alloc_linear(void *request, uint64_t *address) { return wire_mem_alloc(*(uint64_t *)request, address); }

/* Allocates where nothing of the program's lies. The driver of the host knows nothing of this process's
 * mappings: what collides is held until a better address has come, then freed. The driver cuts small
 * allocations from chunks of 2 MiB, so after a collision a whole chunk is asked for. */
static int alloc_clear(int (*alloc)(void *request, uint64_t *address), void *request, uint64_t size, uint64_t *address)
{
	enum { TRIES = 64, CHUNK = 2 << 20 };
	uint64_t rejected[TRIES];
	int n = 0, r;
	do {
		uint64_t chunk = CHUNK;
		bool whole = n && alloc == alloc_linear && size < CHUNK;
		r = alloc(whole ? &chunk : request, address);
		if (r || memory_claim(*address, size))
			break;
		rejected[n++] = *address;
		r = CUDA_ERROR_OUT_OF_MEMORY;
	} while (n < TRIES);
	if (n == TRIES)
		log_line(LOG_ERROR, "the host's GPU addresses collide with this program's memory");
	while (n > 0)
		wire_mem_free(rejected[--n]);
	return r;
}

EXPORT int cuMemAlloc_v2(uint64_t *address, size_t size)
{
	int r = enter_context();
	if (!r && (!address || !size))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = alloc_clear(alloc_linear, &size, size, address);
	return r ? r : note(*address, size, PLAIN);
}

struct pitched {
	size_t width, height;
	unsigned element;
	uint64_t pitch;
};

static int alloc_pitched(void *request, uint64_t *address)
{
	struct pitched *p = request;
	return wire_mem_alloc_pitch(p->width, p->height, p->element, address, &p->pitch);
}

EXPORT int cuMemAllocPitch_v2(uint64_t *address, size_t *pitch, size_t width, size_t height, unsigned int element)
{
	int r = enter_context();
	if (!r && (!address || !pitch || !width || !height))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	struct pitched p = {width, height, element, 0};
	/* The claim needs a size before the pitch is known; rows are never padded by more than 512 bytes. */
	r = alloc_clear(alloc_pitched, &p, (width + 511) / 512 * 512 * height, address);
	if (r)
		return r;
	*pitch = p.pitch;
	return note(*address, p.pitch * height, PLAIN);
}

static int free_plain(uint64_t address)
{
	struct range range;
	if (!memory_find(address, &range) || range.base != address)
		return CUDA_ERROR_INVALID_VALUE;
	if (range.pooled) {
		int r = cuCtxSynchronize_v2(thread.context);
		return r ? r : host_pool_free(address, NULL);
	}
	if (range.type == MEMORY_MANAGED) {
		return !range.owner && memory_remove(address, &range) ? host_release(&range) : CUDA_ERROR_INVALID_VALUE;
	}
	if (range.type != MEMORY_DEVICE || !(range.graph || memory_remove(address, &range)))
		return CUDA_ERROR_INVALID_VALUE;
	int r = wire_mem_free(address);
	return r ? r : call_deferred();
}

EXPORT int cuMemFree_v2(uint64_t address)
{
	struct object *mine = thread.context;
	int r = enter_context_for(address);
	if (!r && address)
		r = free_plain(address);
	thread.context = mine;
	return r;
}

struct pooled {
	size_t size;
	void *pool, *stream;
};

static int alloc_pooled(void *request, uint64_t *address)
{
	struct pooled *p = request;
	return wire_mem_alloc_async(p->size, p->pool, p->stream, address);
}

static int alloc_async(uint64_t *address, size_t size, void *pool, void *stream)
{
	int r = enter_context();
	if (!r && !address)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	if (host_pool_is(pool))
		return host_pool_alloc(address, size, pool, stream);
	struct pooled p = {size, pool, stream};
	if (!size) { /* whether there is nothing to have, or an error, the driver says */
		r = alloc_pooled(&p, address);
		return r || !*address ? r : memory_claim(*address, 1) ? note(*address, 1, stream_capturing(stream) ? OF_GRAPH : ASYNCHRONOUS) : CUDA_ERROR_OUT_OF_MEMORY;
	}
	bool graph = stream_capturing(stream);
	if (graph) { /* an address of a graph, which nothing may be freed of here */
		r = alloc_pooled(&p, address);
		if (!r && !memory_claim(*address, size))
			r = CUDA_ERROR_OUT_OF_MEMORY;
	} else {
		r = alloc_clear(alloc_pooled, &p, size, address);
	}
	return r ? r : note(*address, size, graph ? OF_GRAPH : ASYNCHRONOUS);
}

EXPORT int cuMemAllocAsync(uint64_t *address, size_t size, void *stream) { return alloc_async(address, size, NULL, stream_arg(stream)); }
EXPORT int cuMemAllocAsync_ptsz(uint64_t *address, size_t size, void *stream) { return alloc_async(address, size, NULL, stream_per_thread(stream)); }

EXPORT int cuMemAllocFromPoolAsync(uint64_t *address, size_t size, void *pool, void *stream)
{
	return alloc_async(address, size, pool, stream_arg(stream));
}

EXPORT int cuMemAllocFromPoolAsync_ptsz(uint64_t *address, size_t size, void *pool, void *stream)
{
	return alloc_async(address, size, pool, stream_per_thread(stream));
}

static int free_async(uint64_t address, void *stream)
{
	struct range range;
	int r = enter_context();
	if (r || !address) /* an allocation of no bytes has address 0 */
		return r;
	if (!memory_find(address, &range) || range.base != address || !(range.asynchronous || range.type == MEMORY_DEVICE))
		return CUDA_ERROR_INVALID_VALUE;
	if (range.pooled)
		return host_pool_free(address, stream);
	if (!range.asynchronous && stream_capturing(stream)) /* a graph frees what a graph has allocated */
		return CUDA_ERROR_INVALID_VALUE;
	r = wire_mem_free_async(address, stream);
	if (!r && !range.graph)
		memory_remove(address, &range);
	return r;
}

int graph_memory_note(uint64_t address, uint64_t size)
{
	return memory_claim(address, size) ? note(address, size, OF_GRAPH) : CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORT int cuMemFreeAsync(uint64_t address, void *stream) { return free_async(address, stream_arg(stream)); }
EXPORT int cuMemFreeAsync_ptsz(uint64_t address, void *stream) { return free_async(address, stream_per_thread(stream)); }

EXPORT int cuMemGetInfo_v2(size_t *available, size_t *total)
{
	uint64_t f, t;
	int r = enter_context();
	if (!r)
		r = wire_mem_info(&f, &t);
	if (!r && available)
		*available = f;
	if (!r && total)
		*total = t;
	return r;
}

EXPORT int cuMemGetAddressRange_v2(uint64_t *base, size_t *size, uint64_t address)
{
	struct range range;
	int r = enter_context();
	if (r)
		return r;
	if (memory_find(address, &range)) {
		if (base)
			*base = range.base;
		if (size)
			*size = range.size;
		return CUDA_SUCCESS;
	}
	uint64_t b, s;
	r = wire_cuMemGetAddressRange_v2(&b, &s, address);
	if (!r && base)
		*base = b;
	if (!r && size)
		*size = s;
	return r;
}

/* Physical memory and address ranges, mapped onto one another. */
EXPORT int cuMemCreate(uint64_t *handle, size_t size, const void *prop, uint64_t flags)
{
	enum { LOCATION = 8, DEVICE = 1 };
	static int once;
	void *h;
	uint32_t place;
	int r = enter();
	if (!r && (!handle || !prop))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	memcpy(&place, (const uint8_t *)prop + LOCATION, sizeof place);
	if (place > DEVICE) /* the program could not reach it */
		return not_supported("cuMemCreate of memory of the host", &once);
	r = wire_mem_create(&h, size, prop, flags);
	if (!r)
		*handle = (uint64_t)(uintptr_t)h;
	return r;
}

EXPORT int cuMulticastCreate(uint64_t *handle, const void *prop)
{
	void *h;
	int r = enter();
	if (!r && (!handle || !prop))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_multicast_create(&h, prop);
	if (!r)
		*handle = (uint64_t)(uintptr_t)h;
	return r;
}

/* A handle is released once for its making, and once for each time that an address was asked for it. */
EXPORT int cuMemRelease(uint64_t handle)
{
	void *h = (void *)(uintptr_t)handle;
	unsigned last = 0;
	int r = enter();
	if (!r)
		r = wire_mem_release(h, &last);
	if (!r && last)
		object_free(h);
	return r;
}

EXPORT int cuMemAddressReserve(uint64_t *address, size_t size, size_t alignment, uint64_t wanted, uint64_t flags)
{
	enum { TRIES = 16 };
	uint64_t rejected[TRIES];
	int n = 0, r = enter();
	if (!r && !address)
		r = CUDA_ERROR_INVALID_VALUE;
	while (!r) {
		r = wire_mem_reserve(size, alignment, wanted, flags, address);
		if (r || memory_claim(*address, size))
			break;
		rejected[n++] = *address;
		wanted = 0;
		if (n == TRIES)
			r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	while (n > 0)
		wire_mem_unreserve(rejected[--n], size);
	if (r)
		return r;
	struct range range = {.base = *address, .size = size, .type = MEMORY_RESERVED, .device_address = *address};
	return memory_add(range) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORT int cuMemAddressFree(uint64_t address, size_t size)
{
	struct range range;
	int r = enter();
	if (!r)
		r = wire_mem_unreserve(address, size);
	if (!r)
		memory_remove(address, &range);
	return r;
}

EXPORT int cuMemRetainAllocationHandle(uint64_t *handle, void *address)
{
	void *h;
	int r = enter();
	if (!r && !handle)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_mem_retain_handle((uint64_t)(uintptr_t)address, &h);
	if (!r)
		*handle = (uint64_t)(uintptr_t)h;
	return r;
}
