// SPDX-License-Identifier: Apache-2.0
/* The pinned heap: page-aligned pieces of the region, first fit, neighbours joined. */
#include <stdlib.h>

#include "memory.h"

enum { PAGE = 4096 };

struct hole {
	uint64_t offset, size;
};

static struct {
	pthread_mutex_t lock;
	struct hole *list; /* ordered by offset, no two adjacent */
	size_t count, room;
	bool started;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool insert(size_t i, struct hole h)
{
	if (heap.count == heap.room) {
		size_t room = heap.room ? 2 * heap.room : 64;
		struct hole *list = realloc(heap.list, room * sizeof *list);
		if (!list)
			return false;
		heap.list = list;
		heap.room = room;
	}
	memmove(heap.list + i + 1, heap.list + i, (heap.count++ - i) * sizeof h);
	heap.list[i] = h;
	return true;
}

static void delete(size_t i) { memmove(heap.list + i, heap.list + i + 1, (--heap.count - i) * sizeof *heap.list); }

uint64_t heap_alloc(uint64_t size)
{
	uint64_t address = 0;
	size = (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	pthread_mutex_lock(&heap.lock);
	if (!heap.started)
		heap.started = insert(0, (struct hole){session.heap, session.size - session.heap});
	for (size_t i = 0; size && i < heap.count; i++) {
		struct hole *h = &heap.list[i];
		if (h->size < size)
			continue;
		address = (uint64_t)(uintptr_t)session.base + h->offset;
		h->offset += size;
		h->size -= size;
		if (!h->size)
			delete(i);
		break;
	}
	pthread_mutex_unlock(&heap.lock);
	return address;
}

void heap_free(uint64_t address, uint64_t size)
{
	struct hole h = {address - (uint64_t)(uintptr_t)session.base, (size + PAGE - 1) & ~(uint64_t)(PAGE - 1)};
	pthread_mutex_lock(&heap.lock);
	size_t i = 0, to = heap.count;
	while (i < to) {
		size_t middle = (i + to) / 2;
		if (heap.list[middle].offset < h.offset)
			i = middle + 1;
		else
			to = middle;
	}
	bool before = i > 0 && heap.list[i - 1].offset + heap.list[i - 1].size == h.offset;
	bool after = i < heap.count && h.offset + h.size == heap.list[i].offset;
	if (before) {
		heap.list[i - 1].size += h.size;
		if (after) {
			heap.list[i - 1].size += heap.list[i].size;
			delete(i);
		}
	} else if (after) {
		heap.list[i].offset = h.offset;
		heap.list[i].size += h.size;
	} else {
		insert(i, h);
	}
	pthread_mutex_unlock(&heap.lock);
}
