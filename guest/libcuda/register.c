// SPDX-License-Identifier: Apache-2.0
/*
 * cuMemHostRegister: pages of the region take the place of the program's, but for memory that is shared with other
 * processes, which the worker maps from its file. Both the program's address and the
 * region's then name the same memory, which the worker registers with the driver at both, so that kernels may use
 * the program's addresses too, unless something of the worker's lies there.
 */
#include "register.h"

#include <unistd.h>

#include "call.h"
#include "cancel.h"
#include "channel.h"
#include "context.h"
#include "generated/calls.h"
#include "memory.h"
#include "registered.h"
#include "sharedfile.h"
#include "state.h"

enum { PORTABLE = 1, DEVICE_MAP = 2, PAGE = 4096 };

/* Memory that is shared with other processes stays where it is: the worker maps its file too. */
static int register_file(struct range *range, uint64_t from, uint64_t to, struct shared_file *f)
{
	uint64_t host, device;
	const void *p = (void *)(uintptr_t)range->base;
	if (*region32(WIRE_HDR_CARRIER) != WIRE_CARRIER_MEMORY)
		return registered_refuse(p, range->size, "it is shared with other processes, and the GPU's host is another machine");
	if (!shared_open(from, to, f))
		return registered_refuse(p, range->size, "it is shared with other processes, and has neither a file name nor a descriptor any more");
	int r = shared_map(f, from, to - from, &host, &device);
	close(f->fd);
	if (r == CUDA_ERROR_NOT_SUPPORTED)
		return registered_refuse(p, range->size, "the worker cannot map its file; see the session's log");
	if (r)
		return r;
	range->file = true;
	range->region = host + (range->base - from);
	range->device_address = device + (range->base - from);
	if (memory_add(*range))
		return CUDA_SUCCESS;
	wire_host_unmap(host);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORT int cuMemHostRegister_v2(void *p, size_t n, unsigned int flags)
{
	uint64_t base = (uint64_t)(uintptr_t)p, from = base & ~(uint64_t)(PAGE - 1), to = (base + n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	struct shared_file file;
	struct range range;
	int r = enter_context();
	if (!r && (!p || !n || to <= from))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	if (flags & ~(unsigned)(PORTABLE | DEVICE_MAP))
		return registered_refuse(p, n, "memory of devices, or that the GPU may only read");
	if (*region32(WIRE_HDR_CARRIER) == WIRE_CARRIER_DEVICE)
		return registered_refuse(p, n, "it would become memory of a PCI device, which the processor may not cache");
	if (sysconf(_SC_PAGESIZE) != PAGE)
		return registered_refuse(p, n, "pages of this kernel are not of 4 KiB");
	int cancel = cancel_hold();
	registered_lock();
	if (memory_overlaps(base, n))
		r = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	range = (struct range){.base = base, .size = n, .type = MEMORY_REGISTERED, .context = context_owner(), .device = thread.context->device,
			       .flags = flags};
	if (!r)
		r = !registered_some(from, to) && shared_find(from, to, &file) ? register_file(&range, from, to, &file) : registered_begin(&range, from, to);
	registered_unlock();
	cancel_allow(cancel);
	return r;
}

/* Ends a registration whose range has left the table. A CUresult. */
static int unregister(struct range range)
{
	int r = wire_ctx_wait(), ended; /* what the GPU still writes there is the program's */
	if (range.file) {
		ended = wire_host_unmap(range.region - (range.base & (PAGE - 1)));
		return r ? r : ended;
	}
	int cancel = cancel_hold();
	registered_lock();
	bool over = registered_end(&range, &ended);
	registered_unlock();
	cancel_allow(cancel);
	if (over)
		return r ? r : ended;
	memory_add(range);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

static int unregister_at(uint64_t base)
{
	struct range range;
	if (!memory_find(base, &range) || range.type != MEMORY_REGISTERED || range.pooled)
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	if (!memory_remove(base, &range)) /* it is the middle of what is registered */
		return CUDA_ERROR_INVALID_VALUE;
	return unregister(range);
}

EXPORT int cuMemHostUnregister(void *p)
{
	struct object *mine = thread.context;
	int r = enter_context_for((uint64_t)(uintptr_t)p);
	if (!r)
		r = p ? unregister_at((uint64_t)(uintptr_t)p) : CUDA_ERROR_INVALID_VALUE;
	thread.context = mine;
	return r;
}

void registered_forget_context(struct object *context)
{
	struct object *mine = thread.context;
	struct range range;
	thread.context = context;
	while (memory_take_registered(context, &range) && unregister(range) != CUDA_ERROR_OUT_OF_MEMORY)
		;
	thread.context = mine;
}
