// SPDX-License-Identifier: Apache-2.0
/*
 * Managed memory: advice, prefetching and questions about them. For what cuMemAllocManaged gave, all is settled
 * here; the managed variables of modules are the host's.
 */
#include <stdlib.h>

#include "advice.h"
#include "call.h"
#include "generated/calls.h"
#include "memory.h"
#include "object.h"
#include "onstream.h"
#include "state.h"

enum { CPU = -1, INVALID = -2 };
enum { SET_READ_MOSTLY = 1, UNSET_READ_MOSTLY, SET_PREFERRED, UNSET_PREFERRED, SET_ACCESSED_BY, UNSET_ACCESSED_BY, PREFETCH };
enum { READ_MOSTLY = 1, PREFERRED, ACCESSED_BY, LAST_PREFETCH, PREFERRED_TYPE, PREFERRED_ID, LAST_PREFETCH_TYPE, LAST_PREFETCH_ID };

/* Whether a range is of one managed allocation of this process. */
static bool managed(uint64_t address, size_t n)
{
	struct range range;
	return n && memory_find(address, &range) && range.type == MEMORY_MANAGED && n <= range.base + range.size - address;
}

static struct location from_device(int device)
{
	return device == CPU ? (struct location){LOCATION_HOST, 0} : (struct location){LOCATION_DEVICE, device};
}

static struct location from_word(uint64_t location)
{
	struct location l;
	memcpy(&l, &location, sizeof l);
	return l;
}

static int location_check(struct location l)
{
	switch (l.type) {
	case LOCATION_DEVICE:
		return l.id >= 0 && l.id < session.device_count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
	case LOCATION_HOST:
	case LOCATION_NUMA_CURRENT:
		return CUDA_SUCCESS;
	case LOCATION_NUMA:
		return l.id >= 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

struct change {
	unsigned what;
	struct location location;
};

static void change(struct advice *a, const void *how)
{
	const struct change *c = how;
	uint64_t bit = c->location.type == LOCATION_DEVICE ? 1ull << (c->location.id & 63) : 0;
	bool host = c->location.type == LOCATION_HOST;
	switch (c->what) {
	case SET_READ_MOSTLY:
		a->read_mostly = true;
		break;
	case SET_PREFERRED:
		a->preferred = c->location;
		break;
	case UNSET_PREFERRED:
		a->preferred = (struct location){0};
		break;
	case SET_ACCESSED_BY:
		a->accessed_by |= bit;
		a->accessed_by_host |= host;
		break;
	case UNSET_ACCESSED_BY:
		a->accessed_by &= ~bit;
		a->accessed_by_host &= !host;
		break;
	case PREFETCH:
		a->prefetched = c->location;
		break;
	}
}

static int note(uint64_t address, size_t n, struct change c)
{
	if (!managed(address, n) || c.what < SET_READ_MOSTLY || c.what > PREFETCH)
		return CUDA_ERROR_INVALID_VALUE;
	/* Read duplication and the end of a preference are for no place in particular. */
	int r = c.what == UNSET_PREFERRED || c.what <= UNSET_READ_MOSTLY ? CUDA_SUCCESS : location_check(c.location);
	if (!r && c.what == UNSET_READ_MOSTLY)
		advice_unset_read_mostly(address, n);
	else if (!r && !advice_change(address, n, change, &c))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	return r;
}

EXPORT int cuMemAdvise(uint64_t address, size_t n, unsigned int advice, int device)
{
	int r = enter_context();
	if (r)
		return r;
	if (!memory_managed(address))
		return wire_cuMemAdvise(address, n, advice, device);
	return advice == PREFETCH ? CUDA_ERROR_INVALID_VALUE : note(address, n, (struct change){advice, from_device(device)});
}

EXPORT int cuMemAdvise_v2(uint64_t address, size_t n, unsigned int advice, uint64_t location)
{
	int r = enter_context();
	if (r)
		return r;
	if (!memory_managed(address))
		return wire_cuMemAdvise_v2(address, n, advice, location);
	return advice == PREFETCH ? CUDA_ERROR_INVALID_VALUE : note(address, n, (struct change){advice, from_word(location)});
}

static int prefetch(uint64_t address, size_t n, struct location to, void *stream)
{
	uint64_t id;
	if (!handle_id(stream, KIND_STREAM, &id))
		return CUDA_ERROR_INVALID_HANDLE;
	return note(address, n, (struct change){PREFETCH, to});
}

ON_STREAM(cuMemPrefetchAsync, (uint64_t address, size_t n, int device, void *stream),
	  memory_managed(address) ? prefetch(address, n, from_device(device), stream) : wire_cuMemPrefetchAsync(address, n, device, stream))
ON_STREAM(cuMemPrefetchAsync_v2, (uint64_t address, size_t n, uint64_t location, unsigned int flags, void *stream),
	  flags ? CUDA_ERROR_INVALID_VALUE : memory_managed(address) ? prefetch(address, n, from_word(location), stream)
							     : wire_cuMemPrefetchAsync_v2(address, n, location, flags, stream))

/* Checks a batch before any part of it is done. */
static int batch_check(const uint64_t *addresses, const size_t *sizes, size_t count, uint64_t flags, void *stream)
{
	if (!addresses || !sizes || !count || flags || legacy_stream(stream))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		if (!managed(addresses[i], sizes[i]))
			return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static int prefetch_batch(const uint64_t *addresses, const size_t *sizes, size_t count, const struct location *to, const size_t *first,
			  size_t places, uint64_t flags, void *stream)
{
	int r = batch_check(addresses, sizes, count, flags, stream);
	if (r)
		return r;
	if (!to || !first || !places || places > count || first[0])
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < places; i++) {
		if ((i && first[i] <= first[i - 1]) || first[i] >= count)
			return CUDA_ERROR_INVALID_VALUE;
		if ((r = location_check(to[i])))
			return r;
	}
	for (size_t i = 0, place = 0; !r && i < count; i++) {
		while (place + 1 < places && first[place + 1] <= i)
			place++;
		r = prefetch(addresses[i], sizes[i], to[place], stream);
	}
	return r;
}

/* Attaching restricts who may access memory in the meantime; nothing here has to know. */
static int attach(void *stream, uint64_t address, size_t n, unsigned flags)
{
	enum { GLOBAL = 1, HOST = 2, SINGLE = 4 };
	struct range range;
	uint64_t id;
	if (!handle_id(stream, KIND_STREAM, &id))
		return CUDA_ERROR_INVALID_HANDLE;
	if ((flags != GLOBAL && flags != HOST && flags != SINGLE) || (flags == SINGLE && !stream))
		return CUDA_ERROR_INVALID_VALUE;
	bool whole = memory_find(address, &range) && range.type == MEMORY_MANAGED && (!n || (range.base == address && range.size == n));
	return whole ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

ON_STREAM(cuStreamAttachMemAsync, (void *stream, uint64_t address, size_t n, unsigned int flags), attach(stream, address, n, flags))

/* What is discarded has no content to speak of: it may as well stay. */
ON_STREAM(cuMemDiscardBatchAsync, (const uint64_t *addresses, const size_t *sizes, size_t count, uint64_t flags, void *stream),
	  batch_check(addresses, sizes, count, flags, stream))
ON_STREAM(cuMemPrefetchBatchAsync, (const uint64_t *addresses, const size_t *sizes, size_t count, const struct location *to,
	  const size_t *first, size_t places, uint64_t flags, void *stream),
	  prefetch_batch(addresses, sizes, count, to, first, places, flags, stream))
ON_STREAM(cuMemDiscardAndPrefetchBatchAsync, (const uint64_t *addresses, const size_t *sizes, size_t count, const struct location *to,
	  const size_t *first, size_t places, uint64_t flags, void *stream),
	  prefetch_batch(addresses, sizes, count, to, first, places, flags, stream))

static int32_t as_device(struct location l) { return l.type == LOCATION_DEVICE ? l.id : l.type == LOCATION_HOST ? CPU : INVALID; }

static int answer(int32_t *data, size_t size, unsigned attribute, const struct advice *a)
{
	size_t n = 0;
	if (!data || !size || size % 4 || (attribute != ACCESSED_BY && size != 4))
		return CUDA_ERROR_INVALID_VALUE;
	switch (attribute) {
	case READ_MOSTLY:
		*data = a->read_mostly;
		return CUDA_SUCCESS;
	case PREFERRED:
		*data = as_device(a->preferred);
		return CUDA_SUCCESS;
	case LAST_PREFETCH:
		*data = as_device(a->prefetched);
		return CUDA_SUCCESS;
	case PREFERRED_TYPE:
		*data = a->preferred.type;
		return CUDA_SUCCESS;
	case PREFERRED_ID:
		*data = a->preferred.id;
		return CUDA_SUCCESS;
	case LAST_PREFETCH_TYPE:
		*data = a->prefetched.type;
		return CUDA_SUCCESS;
	case LAST_PREFETCH_ID:
		*data = a->prefetched.id;
		return CUDA_SUCCESS;
	case ACCESSED_BY:
		for (int32_t d = 0; d < 64 && n < size / 4; d++)
			if (a->accessed_by >> d & 1)
				data[n++] = d;
		if (a->accessed_by_host && n < size / 4)
			data[n++] = CPU;
		while (n < size / 4)
			data[n++] = INVALID;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

EXPORT int cuMemRangeGetAttribute(void *data, size_t size, unsigned int attribute, uint64_t address, size_t n)
{
	int r = enter_context();
	if (r)
		return r;
	if (!memory_managed(address))
		return wire_cuMemRangeGetAttribute(data, size, attribute, address, n);
	if (!managed(address, n))
		return CUDA_ERROR_INVALID_VALUE;
	struct advice a = advice_common(address, n);
	return answer(data, size, attribute, &a);
}

EXPORT int cuMemRangeGetAttributes(void **data, const size_t *sizes, const unsigned int *attributes, size_t count, uint64_t address, size_t n)
{
	int r = enter_context();
	if (!r && (!data || !sizes || !attributes || !count))
		r = CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; !r && i < count; i++)
		r = cuMemRangeGetAttribute(data[i], sizes[i], attributes[i], address, n);
	return r;
}
