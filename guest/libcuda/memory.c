// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "advice.h"
#include "object.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static struct {
	pthread_rwlock_t lock;
	struct range *list; /* ordered by base, disjoint */
	size_t count, room;
	uint64_t next_id;
} table = {.lock = PTHREAD_RWLOCK_INITIALIZER, .next_id = 1};

static _Atomic size_t registrations; /* ranges of registered memory in the table */

/* The index of the first range that ends behind address. */
static size_t lower_bound(uint64_t address)
{
	size_t from = 0, to = table.count;
	while (from < to) {
		size_t middle = (from + to) / 2;
		if (table.list[middle].base + table.list[middle].size <= address)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Removes what graphs had in a range that the driver has given out anew. The caller holds the lock. */
static void forget_graphs(uint64_t address, uint64_t size)
{
	for (size_t i = lower_bound(address); i < table.count && table.list[i].base < address + size;) {
		if (!table.list[i].graph) {
			i++;
			continue;
		}
		memmove(table.list + i, table.list + i + 1, (--table.count - i) * sizeof *table.list);
	}
}

bool memory_add(struct range r)
{
	bool ok = true;
	pthread_rwlock_wrlock(&table.lock);
	forget_graphs(r.base, r.size);
	if (table.count == table.room) {
		size_t room = table.room ? 2 * table.room : 256;
		struct range *list = realloc(table.list, room * sizeof *list);
		ok = list != NULL;
		if (ok) {
			table.list = list;
			table.room = room;
		}
	}
	if (ok) {
		size_t i = lower_bound(r.base);
		memmove(table.list + i + 1, table.list + i, (table.count - i) * sizeof r);
		r.id = table.next_id++;
		table.list[i] = r;
		table.count++;
		registrations += r.type == MEMORY_REGISTERED;
	}
	pthread_rwlock_unlock(&table.lock);
	return ok;
}

bool memory_find(uint64_t address, struct range *r)
{
	pthread_rwlock_rdlock(&table.lock);
	size_t i = lower_bound(address);
	bool found = i < table.count && table.list[i].base <= address;
	if (found)
		*r = table.list[i];
	pthread_rwlock_unlock(&table.lock);
	return found;
}

bool memory_set_sync(uint64_t address, bool sync)
{
	pthread_rwlock_wrlock(&table.lock);
	size_t i = lower_bound(address);
	bool found = i < table.count && table.list[i].base <= address;
	if (found)
		table.list[i].sync = sync;
	pthread_rwlock_unlock(&table.lock);
	return found;
}

bool memory_take_registered(struct object *context, struct range *r)
{
	bool found = false;
	pthread_rwlock_wrlock(&table.lock);
	for (size_t i = 0; !found && i < table.count; i++) {
		found = table.list[i].type == MEMORY_REGISTERED && table.list[i].context == context;
		if (!found)
			continue;
		*r = table.list[i];
		memmove(table.list + i, table.list + i + 1, (--table.count - i) * sizeof *r);
		registrations--;
	}
	pthread_rwlock_unlock(&table.lock);
	return found;
}

bool memory_overlaps(uint64_t address, uint64_t size)
{
	pthread_rwlock_rdlock(&table.lock);
	size_t i = lower_bound(address);
	bool found = i < table.count && table.list[i].base < address + size;
	pthread_rwlock_unlock(&table.lock);
	return found;
}

bool memory_managed(uint64_t address)
{
	struct range range;
	return memory_find(address, &range) && range.type == MEMORY_MANAGED;
}

uint64_t pinned_at(const void *p, uint64_t n)
{
	struct range range;
	uint64_t address = (uint64_t)(uintptr_t)p;
	if (in_heap(p))
		return address;
	if (!atomic_load_explicit(&registrations, memory_order_acquire) || !memory_find(address, &range) || range.type != MEMORY_REGISTERED ||
	    n > range.base + range.size - address)
		return 0;
	return range.region + (address - range.base);
}

bool memory_remove(uint64_t address, struct range *r)
{
	pthread_rwlock_wrlock(&table.lock);
	size_t i = lower_bound(address);
	bool found = i < table.count && table.list[i].base == address;
	if (found) {
		*r = table.list[i];
		registrations -= r->type == MEMORY_REGISTERED;
		memmove(table.list + i, table.list + i + 1, (--table.count - i) * sizeof *r);
	}
	pthread_rwlock_unlock(&table.lock);
	return found;
}

int enter_context_for_(const char *function, uint64_t address)
{
	struct range range;
	if (!thread.context && session.state == SESSION_LIVE && memory_find(address, &range))
		thread.context = range.context;
	return enter_context_of(function);
}

void memory_forget_context(struct object *context)
{
	pthread_rwlock_wrlock(&table.lock);
	size_t kept = 0;
	for (size_t i = 0; i < table.count; i++) {
		struct range *r = &table.list[i];
		if (r->context != context)
			table.list[kept++] = *r;
		else if (r->type == MEMORY_PINNED || r->type == MEMORY_MANAGED) {
			advice_forget(r->base, r->size);
			heap_free(r->base, r->size);
		}
	}
	table.count = kept;
	pthread_rwlock_unlock(&table.lock);
}

void memory_forget_owner(void *owner)
{
	pthread_rwlock_wrlock(&table.lock);
	size_t kept = 0;
	for (size_t i = 0; i < table.count; i++)
		if (table.list[i].owner != owner)
			table.list[kept++] = table.list[i];
	table.count = kept;
	pthread_rwlock_unlock(&table.lock);
}

/* Claimed chunks of device addresses, an open-addressed set. They are kept: the driver hands the same
 * addresses out again, and address space is plenty. */
static struct {
	pthread_mutex_t lock;
	uint64_t *slots; /* chunk number + 1, 0 if empty */
	size_t room, used;
} claims = {.lock = PTHREAD_MUTEX_INITIALIZER};

enum { CHUNK_SHIFT = 21 }; /* the driver maps device memory by 2 MiB */

static size_t claim_slot(uint64_t chunk)
{
	size_t i = (chunk * 0x9e3779b97f4a7c15ull) & (claims.room - 1);
	while (claims.slots[i] && claims.slots[i] != chunk + 1)
		i = (i + 1) & (claims.room - 1);
	return i;
}

static bool claims_grow(void)
{
	if (claims.used * 2 < claims.room)
		return true;
	size_t old_room = claims.room;
	uint64_t *old = claims.slots, *slots = calloc(old_room ? 2 * old_room : 1024, sizeof *slots);
	if (!slots)
		return false;
	claims.slots = slots;
	claims.room = old_room ? 2 * old_room : 1024;
	for (size_t i = 0; i < old_room; i++)
		if (old[i])
			slots[claim_slot(old[i] - 1)] = old[i];
	free(old);
	return true;
}

static bool claim_chunk(uint64_t chunk)
{
	if (!claims_grow())
		return false;
	size_t i = claim_slot(chunk);
	if (claims.slots[i])
		return true;
	void *at = (void *)(uintptr_t)(chunk << CHUNK_SHIFT);
	void *p = mmap(at, 1ul << CHUNK_SHIFT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != at) {
		if (p != MAP_FAILED)
			munmap(p, 1ul << CHUNK_SHIFT);
		return false;
	}
	claims.slots[i] = chunk + 1;
	claims.used++;
	return true;
}

bool memory_claim(uint64_t address, uint64_t size)
{
	bool ok = true;
	pthread_mutex_lock(&claims.lock);
	for (uint64_t c = address >> CHUNK_SHIFT; ok && c <= (address + size - 1) >> CHUNK_SHIFT; c++)
		ok = claim_chunk(c);
	pthread_mutex_unlock(&claims.lock);
	return ok;
}
