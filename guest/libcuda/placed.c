// SPDX-License-Identifier: Apache-2.0
#include "placed.h"

#include "generated/calls.h"
#include "object.h"

int placed_make(uint64_t *n, bool library)
{
	uint64_t need = *n, at = *n = heap_alloc(need);
	if (!at)
		return CUDA_ERROR_OUT_OF_MEMORY;
	/* A library has no context: its variables outlive all. */
	struct range range = {.base = at, .size = need, .type = MEMORY_MANAGED, .context = library ? NULL : thread.context,
			      .device = thread.context ? thread.context->device : 0, .flags = 1};
	int r = host_share(&range, true);
	if (r) {
		*n = 0;
		return r;
	}
	r = wire_image_place(at, need, library);
	if (r) {
		placed_take(at, NULL, &range);
		host_release(&range);
		*n = 0;
	}
	return r == CUDA_ERROR_NOT_SUPPORTED ? CUDA_SUCCESS : r; /* then they stay with the driver */
}

void placed_own(uint64_t at, void *owner)
{
	struct range range;
	if (memory_remove(at, &range)) {
		range.owner = owner;
		memory_add(range);
	}
}

bool placed_take(uint64_t at, const void *owner, struct range *range)
{
	return at && memory_find(at, range) && range->base == at && range->owner == owner && memory_remove(at, range);
}

bool placed_find(uint64_t at, const char *name, uint64_t *address, uint64_t *size)
{
	return at && name && !wire_managed_variable(at, name, address, size);
}
