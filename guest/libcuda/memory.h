// SPDX-License-Identifier: Apache-2.0
/*
 * What this process has allocated: an ordered table of address ranges, and the pinned heap in the region.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "state.h"

enum memory_type { MEMORY_DEVICE = 1, MEMORY_PINNED, MEMORY_MANAGED, MEMORY_RESERVED, MEMORY_REGISTERED, MEMORY_GLOBAL, MEMORY_OPENED };

struct range {
	uint64_t base, size;
	uint64_t device_address; /* of host memory, as kernels see it */
	uint64_t region; /* of registered memory: where it lies in the region */
	uint64_t id; /* CU_POINTER_ATTRIBUTE_BUFFER_ID */
	struct object *context;
	void *owner; /* module or library of a global variable */
	uint32_t flags; /* of cuMemHostAlloc and the like */
	uint8_t type; /* enum memory_type */
	struct pool_block *pooled; /* of a pool of the host, see hostpool.c */
	bool file; /* registered memory that is a file's, or of a pool that has a file: no pages of the region */
	bool asynchronous; /* of cuMemAllocAsync */
	bool sync; /* CU_POINTER_ATTRIBUTE_SYNC_MEMOPS */
	bool graph; /* of a graph, each launch of which allocates it: freeing does not end the range */
	uint16_t device;
};

/* Adds a range; its id is assigned. False when out of memory. */
bool memory_add(struct range r);
/* Copies out the range that holds address. */
bool memory_find(uint64_t address, struct range *r);
/* Whether an address is of a managed allocation. */
bool memory_managed(uint64_t address);
/* Sets CU_POINTER_ATTRIBUTE_SYNC_MEMOPS of the range that holds address. False if there is none. */
bool memory_set_sync(uint64_t address, bool sync);
/* Removes registered memory of a context, if there is any, and copies its range out. */
bool memory_take_registered(struct object *context, struct range *r);
/* Whether a range of the table has a byte of these. */
bool memory_overlaps(uint64_t address, uint64_t size);
/* Removes the range that starts at address and copies it out. */
bool memory_remove(uint64_t address, struct range *r);
/* enter_context for calls that free memory: it knows its context, which becomes current where none is. The caller
 * sets thread.context back. */
#define enter_context_for(address) enter_context_for_(__func__, address)
int enter_context_for_(const char *function, uint64_t address);
/* Removes all ranges of a context, which has ended, and gives their pinned memory back to the heap. */
void memory_forget_context(struct object *context);

/* Removes the global variables of a module or library that is being unloaded. */
void memory_forget_owner(void *owner);

/* Keeps the program's own mappings away from a device range: an address then means one thing only. False if
 * something of the program's already lies there. */
bool memory_claim(uint64_t address, uint64_t size);

/* Notes memory that a graph's node allocates. A CUresult. */
int graph_memory_note(uint64_t address, uint64_t size);

/* Page-aligned memory of the heap; 0 when it is full. */
uint64_t heap_alloc(uint64_t size);
void heap_free(uint64_t address, uint64_t size);

/* Pins memory of the heap for a range, which names it, tells the device's address of it, and adds the range to the table.
 * If that fails the memory is given back. A CUresult. */
int host_share(struct range *range, bool reachable);

/* Frees pinned or managed memory, whose range has left the table. A CUresult. */
int host_release(struct range *range);

/* Where n bytes of pinned, managed or registered memory lie in the region, 0 if they do not. */
uint64_t pinned_at(const void *p, uint64_t n);

/* Whether n bytes at p lie in pinned or managed memory of this process. */
static inline bool in_heap(const void *p)
{
	uint64_t offset = (uint64_t)(uintptr_t)p - (uint64_t)(uintptr_t)session.base;
	return offset >= session.heap && offset < session.size;
}
