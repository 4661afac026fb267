// SPDX-License-Identifier: Apache-2.0
#include "hostpool.h"

#include <stdlib.h>

#include "advice.h"
#include "call.h"
#include "copy.h"
#include "exported.h"
#include "generated/calls.h"
#include "log.h"
#include "object.h"
#include "poolblock.h"
#include "state.h"

enum { MANAGED = 2 }; /* CUmemAllocationType, beside POOL_PINNED */
enum { REUSE_FIRST = 1, REUSE_LAST = 3, THRESHOLD, RESERVED_NOW, RESERVED_HIGH, USED_NOW, USED_HIGH };
enum { POOL_OF_HOST = 1 }; /* flag of the object */
enum { NO_TIMING = 2, READ_WRITE = 3, PAGE = 4096, POSIX_FILE = 1 };

/* CUmemPoolProps. */
struct props {
	uint32_t type, handles;
	struct location location;
	void *security;
	uint64_t max;
	uint16_t usage;
	uint8_t reserved[54];
};

pthread_mutex_t host_pools_lock = PTHREAD_MUTEX_INITIALIZER;
static struct host_pool *pools;
static struct object *standard[2], *current[2]; /* pinned, managed */

struct host_pool *host_pool_get(const void *handle)
{
	struct object *o = object_get(handle, KIND_POOL);
	return o && o->flag == POOL_OF_HOST ? o->data : NULL;
}

bool host_pool_is(const void *pool) { return host_pool_get(pool) != NULL; }
void *host_pool_of(const struct range *range) { return range->pooled ? range->pooled->pool->handle : NULL; }

/* Notes when a free that has been awaited is complete. A stream that fails does no more to the memory. */
static bool settled(struct pool_block *b, bool wait)
{
	if (b->event && (wait ? cuEventSynchronize(b->event) : cuEventQuery(b->event)) == CUDA_ERROR_NOT_READY)
		return false;
	if (b->event)
		cuEventDestroy_v2(b->event);
	b->event = NULL;
	return true;
}

static uint8_t type_of(const struct host_pool *p) { return p->managed ? MEMORY_MANAGED : p->file ? MEMORY_REGISTERED : MEMORY_PINNED; }

/* Gives memory back. It belongs to no context: what a pool has outlives them. */
static void give_back(struct pool_block *b)
{
	struct object *mine = thread.context;
	struct range range = {.base = b->base, .size = b->room, .type = type_of(b->pool)};
	thread.context = NULL;
	if (b->pool->file)
		pool_file_unmap(b->pool->file, &b->part);
	else
		host_release(&range);
	thread.context = mine;
	b->pool->reserved -= b->room;
	free(b);
}

/* Gives back what is not in use until at most keep bytes are reserved. Blocks whose end is not known stay, unless
 * waited for. */
static void trim(struct host_pool *p, uint64_t keep, bool wait)
{
	for (struct pool_block **at = &p->blocks; *at;) {
		struct pool_block *b = *at;
		if (b->size || !settled(b, wait) || p->reserved <= keep) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		give_back(b);
	}
}

/* Trims all pools to what they may keep, and ends those that were destroyed and have nothing left. */
static void trim_all(void)
{
	for (struct host_pool **at = &pools; *at;) {
		struct host_pool *p = *at;
		trim(p, p->handle ? p->threshold : 0, false);
		if (p->handle || p->blocks) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		pool_file_free(p->file);
		free(p);
	}
}

int host_pool_new(void **handle, uint32_t type, struct location place, uint64_t max, struct pool_file *file)
{
	struct host_pool *p = calloc(1, sizeof *p);
	struct object *o = p ? object_new(KIND_POOL) : NULL;
	if (!o) {
		free(p);
		pool_file_free(file);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*p = (struct host_pool){.handle = o, .managed = type == MANAGED, .file = file, .place = place, .max = max ? max : UINT64_MAX, .reuse = {1, 1, 1}};
	o->flag = POOL_OF_HOST;
	o->data = p;
	pthread_mutex_lock(&host_pools_lock);
	p->next = pools;
	pools = p;
	pthread_mutex_unlock(&host_pools_lock);
	*handle = o;
	return CUDA_SUCCESS;
}

/* Whether memory of a type and place is served here. */
static bool of_host(uint32_t type, struct location l)
{
	return type == MANAGED || (type == POOL_PINNED && (l.type == LOCATION_HOST || l.type == LOCATION_NUMA || l.type == LOCATION_NUMA_CURRENT));
}

static int place_check(uint32_t type, struct location l)
{
	enum { CONCURRENT_MANAGED = 89 };
	int concurrent = 0;
	if (type == MANAGED && (cuDeviceGetAttribute(&concurrent, CONCURRENT_MANAGED, 0) || !concurrent))
		return CUDA_ERROR_NOT_SUPPORTED;
	if (l.type == LOCATION_DEVICE && (l.id < 0 || l.id >= session.device_count))
		return CUDA_ERROR_INVALID_DEVICE;
	bool known = l.type == LOCATION_DEVICE || l.type == LOCATION_HOST || l.type == LOCATION_NUMA || (l.type == LOCATION_NONE && type == MANAGED);
	return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT int cuMemPoolCreate(void **pool, const void *properties)
{
	struct props p;
	struct pool_file *file = NULL;
	int r = enter();
	if (!r && (!pool || !properties))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	memcpy(&p, properties, sizeof p);
	if (!of_host(p.type, p.location))
		return wire_cuMemPoolCreate(pool, properties);
	r = place_check(p.type, p.location);
	if (!r && (p.usage || (p.handles && (p.type == MANAGED || p.location.type == LOCATION_HOST)) || (p.max && p.type == MANAGED)))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && p.handles)
		r = p.handles == POSIX_FILE ? host_pool_file_check() : CUDA_ERROR_NOT_SUPPORTED;
	if (!r && p.handles && !(file = pool_file_new()))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	return r ? r : host_pool_new(pool, p.type, p.location, p.max, file);
}

EXPORT int cuMemPoolDestroy(void *pool)
{
	struct host_pool *p = host_pool_get(pool);
	int r = enter();
	if (r || !p)
		return r ? r : wire_cuMemPoolDestroy(pool);
	pthread_mutex_lock(&host_pools_lock);
	if (pool == standard[p->managed]) {
		r = CUDA_ERROR_INVALID_VALUE;
	} else {
		if (pool == current[p->managed])
			current[p->managed] = standard[p->managed];
		object_free(p->handle);
		p->handle = NULL;
		trim_all();
	}
	pthread_mutex_unlock(&host_pools_lock);
	return r;
}

static int get_pool(void **pool, const void *location, uint32_t type, struct object **list,
		    int (*driver)(void **pool, const void *location, uint32_t type))
{
	struct location l;
	int r = enter();
	if (!r && (!pool || !location))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	memcpy(&l, location, sizeof l);
	if (!of_host(type, l))
		return driver(pool, location, type);
	r = place_check(type, l);
	if (r)
		return r;
	static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
	void *made;
	int i = type == MANAGED;
	pthread_mutex_lock(&making);
	if (!standard[i] && !(r = host_pool_new(&made, type, (struct location){0}, 0, NULL)))
		standard[i] = current[i] = made;
	pthread_mutex_unlock(&making);
	if (!r)
		*pool = list[i];
	return r;
}

EXPORT int cuMemGetDefaultMemPool(void **pool, void *location, uint32_t type)
{
	return get_pool(pool, location, type, standard, wire_cuMemGetDefaultMemPool);
}

EXPORT int cuMemGetMemPool(void **pool, void *location, uint32_t type) { return get_pool(pool, location, type, current, wire_cuMemGetMemPool); }

EXPORT int cuMemSetMemPool(void *location, uint32_t type, void *pool)
{
	struct location l;
	void *before;
	int r = enter();
	if (!r && !location)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	memcpy(&l, location, sizeof l);
	if (!of_host(type, l))
		return wire_cuMemSetMemPool(location, type, pool);
	struct host_pool *p = host_pool_get(pool);
	r = cuMemGetMemPool(&before, location, type); /* there is a standard one to go back to */
	if (!r && (!p || p->managed != (type == MANAGED)))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		current[p->managed] = p->handle;
	return r;
}

EXPORT int cuMemPoolTrimTo(void *pool, size_t keep)
{
	struct host_pool *p = host_pool_get(pool);
	int r = enter();
	if (r || !p)
		return r ? r : wire_cuMemPoolTrimTo(pool, keep);
	pthread_mutex_lock(&host_pools_lock);
	trim(p, keep, false);
	pthread_mutex_unlock(&host_pools_lock);
	return CUDA_SUCCESS;
}

/* The first three are of four bytes, all others of eight. */
static size_t attribute_bytes(unsigned attribute) { return attribute >= REUSE_FIRST && attribute <= REUSE_LAST ? 4 : 8; }

EXPORT int cuMemPoolGetAttribute(void *pool, unsigned attribute, void *value)
{
	struct host_pool *p = host_pool_get(pool);
	uint64_t v = 0;
	int r = enter();
	if (!r && !value)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	if (!p) {
		r = wire_cuMemPoolGetAttribute(pool, attribute, &v);
	} else {
		pthread_mutex_lock(&host_pools_lock);
		trim_all();
		switch (attribute) {
		case THRESHOLD: v = p->threshold; break;
		case RESERVED_NOW: v = p->reserved; break;
		case RESERVED_HIGH: v = p->reserved_high; break;
		case USED_NOW: v = p->used; break;
		case USED_HIGH: v = p->used_high; break;
		default:
			if (attribute >= REUSE_FIRST && attribute <= REUSE_LAST)
				v = p->reuse[attribute - REUSE_FIRST];
			else
				r = CUDA_ERROR_INVALID_VALUE;
		}
		pthread_mutex_unlock(&host_pools_lock);
	}
	if (!r)
		memcpy(value, &v, attribute_bytes(attribute));
	return r;
}

EXPORT int cuMemPoolSetAttribute(void *pool, unsigned attribute, const void *value)
{
	struct host_pool *p = host_pool_get(pool);
	uint64_t v = 0;
	int r = enter();
	if (!r && !value)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	memcpy(&v, value, attribute_bytes(attribute));
	if (!p)
		return wire_cuMemPoolSetAttribute(pool, attribute, &v);
	pthread_mutex_lock(&host_pools_lock);
	if (attribute >= REUSE_FIRST && attribute <= REUSE_LAST)
		p->reuse[attribute - REUSE_FIRST] = (uint32_t)v;
	else if (attribute == THRESHOLD)
		p->threshold = v;
	else if (attribute == RESERVED_HIGH && !v)
		p->reserved_high = p->reserved;
	else if (attribute == USED_HIGH && !v)
		p->used_high = p->used;
	else
		r = CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_unlock(&host_pools_lock);
	return r;
}

/* The host and every GPU reach pinned memory: access is always there. */
EXPORT int cuMemPoolSetAccess(void *pool, const void *map, size_t count)
{
	int r = enter();
	if (r || !host_pool_is(pool))
		return r ? r : wire_cuMemPoolSetAccess(pool, map, count);
	return map || !count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT int cuMemPoolGetAccess(uint32_t *flags, void *pool, void *location)
{
	int r = enter();
	if (r || !host_pool_is(pool))
		return r ? r : wire_cuMemPoolGetAccess(flags, pool, location);
	if (!flags || !location)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = READ_WRITE;
	return CUDA_SUCCESS;
}

/* The smallest block that fits, and is not much larger: one that is free, or will be when the stream gets there. */
static struct pool_block *reuse(struct host_pool *p, uint64_t room, void *stream)
{
	struct pool_block *best = NULL;
	for (struct pool_block *b = p->blocks; b; b = b->next)
		if (!b->size && b->room >= room && b->room / 2 <= room && (!best || b->room < best->room) && (settled(b, false) || b->stream == stream))
			best = b;
	if (!best || settled(best, false))
		return best;
	if (cuStreamWaitEvent(stream, best->event, 0)) /* the handle may be another stream's by now */
		return NULL;
	cuEventDestroy_v2(best->event);
	best->event = NULL;
	return best;
}

/* Gets memory for a block, in no context. */
static int obtain(struct pool_block *b)
{
	struct host_pool *p = b->pool;
	if (b->room > p->max - p->reserved)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (p->file) {
		int r = pool_file_add(p->file, b->room, &b->part);
		b->base = b->device_address = b->part.base;
		return r;
	}
	struct range range = {.base = heap_alloc(b->room), .size = b->room, .type = type_of(p)};
	int r = range.base ? host_share(&range, true) : CUDA_ERROR_OUT_OF_MEMORY;
	if (r)
		return r;
	memory_remove(range.base, &range); /* its user's is another */
	b->base = range.base;
	b->device_address = range.device_address;
	return CUDA_SUCCESS;
}

void pool_block_add(struct pool_block *b)
{
	struct host_pool *p = b->pool;
	b->next = p->blocks;
	p->blocks = b;
	p->reserved += b->room;
	if (p->reserved > p->reserved_high)
		p->reserved_high = p->reserved;
}

static int block_new(struct host_pool *p, uint64_t room, struct pool_block **out)
{
	struct object *mine = thread.context;
	struct pool_block *b = malloc(sizeof *b);
	if (!b)
		return CUDA_ERROR_OUT_OF_MEMORY;
	trim_all();
	*b = (struct pool_block){.pool = p, .room = room};
	thread.context = NULL;
	int r = obtain(b);
	if (r == CUDA_ERROR_OUT_OF_MEMORY) { /* what is to be free soon is waited for */
		trim(p, 0, true);
		r = obtain(b);
	}
	thread.context = mine;
	if (r) {
		free(b);
		return r;
	}
	pool_block_add(b);
	*out = b;
	return CUDA_SUCCESS;
}

static void prefer(struct advice *a, const void *place) { memcpy(&a->preferred, place, sizeof a->preferred); }

int pool_block_use(struct pool_block *b, uint64_t size)
{
	struct host_pool *p = b->pool;
	struct range range = {.base = b->base, .size = size, .type = type_of(p), .device = thread.context->device, .device_address = b->device_address,
			      .asynchronous = true, .pooled = b, .file = p->file != NULL, .region = p->file ? b->base : 0};
	bool known = p->place.type == LOCATION_NONE || !p->managed || advice_change(b->base, size, prefer, &p->place);
	if (!known || !memory_add(range))
		return CUDA_ERROR_OUT_OF_MEMORY;
	b->size = size;
	p->used += size;
	if (p->used > p->used_high)
		p->used_high = p->used;
	return CUDA_SUCCESS;
}

int host_pool_alloc(uint64_t *address, uint64_t size, void *pool, void *stream)
{
	static int once;
	uint64_t id, room = (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if (!handle_id(stream, KIND_STREAM, &id))
		return CUDA_ERROR_INVALID_HANDLE;
	if (stream_capturing(stream))
		return not_supported("cuMemAllocFromPoolAsync of memory of the host in a capture", &once);
	if (!size) { /* nothing, as other pools give */
		*address = 0;
		return host_pool_get(pool) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	}
	if (room < size || room > session.size)
		return CUDA_ERROR_OUT_OF_MEMORY;
	int r = CUDA_SUCCESS;
	pthread_mutex_lock(&host_pools_lock);
	struct host_pool *p = host_pool_get(pool);
	if (!p)
		r = CUDA_ERROR_INVALID_VALUE;
	struct pool_block *b = r ? NULL : reuse(p, room, stream);
	if (!r && !b)
		r = block_new(p, room, &b);
	if (!r)
		r = pool_block_use(b, size);
	if (!r)
		*address = b->base;
	pthread_mutex_unlock(&host_pools_lock);
	return r;
}

int host_pool_free(uint64_t address, void *stream)
{
	struct object *mine = thread.context, *s = object_get(stream, KIND_STREAM);
	struct range range;
	uint64_t id;
	if (!handle_id(stream, KIND_STREAM, &id))
		return CUDA_ERROR_INVALID_HANDLE;
	if (stream_capturing(stream))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&host_pools_lock);
	int r = memory_remove(address, &range) && range.pooled ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	if (!r) {
		struct pool_block *b = range.pooled;
		if (b->pool->managed)
			advice_forget(b->base, b->room);
		b->pool->used -= b->size;
		b->size = 0;
		b->stream = stream;
		if (s && s->context)
			thread.context = s->context; /* an event is of its stream's context */
		if (cuEventCreate(&b->event, NO_TIMING) || cuEventRecord(b->event, stream)) {
			cuCtxSynchronize_v2(thread.context);
			settled(b, false);
		}
		thread.context = mine;
		trim_all();
	}
	pthread_mutex_unlock(&host_pools_lock);
	return r;
}

void host_pools_ending(struct object *context)
{
	struct object *mine = thread.context;
	thread.context = context;
	pthread_mutex_lock(&host_pools_lock);
	for (struct host_pool *p = pools; p; p = p->next) {
		for (struct pool_block *b = p->blocks; b; b = b->next) {
			if (b->event)
				cuEventDestroy_v2(b->event);
			b->event = NULL;
		}
	}
	pthread_mutex_unlock(&host_pools_lock);
	thread.context = mine;
}

void host_pools_reset(void)
{
	struct range range;
	pthread_mutex_lock(&host_pools_lock);
	for (struct host_pool *p = pools; p; p = p->next) {
		while (p->blocks) {
			struct pool_block *b = p->blocks;
			p->blocks = b->next;
			if (b->size)
				memory_remove(b->base, &range);
			if (p->managed)
				advice_forget(b->base, b->room);
			if (p->file)
				pool_file_forget(p->file, &b->part);
			else
				heap_free(b->base, b->room);
			free(b);
		}
		p->used = p->reserved = 0;
	}
	pthread_mutex_unlock(&host_pools_lock);
}
