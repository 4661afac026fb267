// SPDX-License-Identifier: Apache-2.0
/*
 * cuMemHostRegister: pages of the region take the place of the program's, but for memory that is shared with other
 * processes, which the worker maps from its file. Both the program's address and the
 * region's then name the same memory, which the worker registers with the driver at both, so that kernels may use
 * the program's addresses too, unless something of the worker's lies there.
 *
 * A child of fork gets its own copy, as it would of pinned memory natively: its parent waits meanwhile. Children
 * that are made without the handlers of pthread_atfork, by a bare clone or _Fork, share the memory.
 */
#define _GNU_SOURCE
#include "register.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "call.h"
#include "cancel.h"
#include "channel.h"
#include "context.h"
#include "generated/calls.h"
#include "log.h"
#include "memory.h"
#include "replace.h"
#include "sharedfile.h"
#include "state.h"

enum { PORTABLE = 1, DEVICE_MAP = 2, PAGE = 4096, FORK_PATIENCE_MS = 60000 };

struct registered {
	uint64_t from, to, region;
	uint64_t lent_from, lent_to; /* private over a fork; was has what they held */
	uint8_t *was;
	struct registered *next;
};

static struct {
	pthread_mutex_t lock; /* also held while pages are replaced, and over a fork */
	struct registered *list;
	int pipe[2];
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .pipe = {-1, -1}};

/* Parent and child run on the same stack until their handlers return: what is registered of it cannot be the same
 * pages for both, not even until the child has its copy. */
static void lend_stack(struct registered *r)
{
	enum { ABOVE = PAGE, BELOW = 16 * PAGE }; /* where the frames of fork() and of all handlers are */
	uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0) & ~(uint64_t)(PAGE - 1);
	r->lent_from = here - BELOW > r->from ? here - BELOW : r->from;
	r->lent_to = here + PAGE + ABOVE < r->to ? here + PAGE + ABOVE : r->to;
	if (r->lent_from < r->lent_to && (r->was = malloc(r->lent_to - r->lent_from)) &&
	    replace_lend(r->lent_from, r->lent_to, r->region + (r->lent_from - r->from), r->was))
		return;
	if (r->lent_from < r->lent_to)
		log_line(LOG_ERROR, "fork: there is no memory for the registered part of this thread's stack: the child shares it");
	free(r->was);
	r->was = NULL;
	r->lent_from = r->lent_to = r->to;
}

static void take_stack_back(struct registered *r)
{
	if (r->was && !replace_return(r->lent_from, r->lent_to, r->region + (r->lent_from - r->from), r->was))
		log_line(LOG_ERROR, "fork: registered memory on the stack is the GPU's no more: the kernel refuses to map it anew");
	free(r->was);
	r->was = NULL;
}

static void before_fork(void)
{
	pthread_mutex_lock(&all.lock);
	for (struct registered *r = all.list; r; r = r->next)
		lend_stack(r);
	if (all.list && pipe2(all.pipe, O_CLOEXEC))
		all.pipe[0] = all.pipe[1] = -1;
}

static void close_pipe(void)
{
	for (int i = 0; i < 2; i++) {
		if (all.pipe[i] >= 0)
			close(all.pipe[i]);
		all.pipe[i] = -1;
	}
}

/* What the parent writes from now on is not the child's: it waits until the child has its copy. */
static void after_fork_in_parent(void)
{
	if (all.pipe[0] >= 0) {
		struct pollfd p = {.fd = all.pipe[0], .events = POLLIN};
		close(all.pipe[1]);
		all.pipe[1] = -1;
		int cancel = cancel_hold();
		while (poll(&p, 1, FORK_PATIENCE_MS) < 0 && errno == EINTR)
			;
		cancel_allow(cancel);
		close_pipe();
	}
	for (struct registered *r = all.list; r; r = r->next)
		take_stack_back(r);
	pthread_mutex_unlock(&all.lock);
}

static void after_fork_in_child(void)
{
	for (struct registered *r = all.list; r; r = r->next) {
		replace_in_child(r->from, r->lent_from);
		replace_in_child(r->lent_to, r->to);
	}
	all.list = NULL;
	if (all.pipe[1] >= 0)
		(void)!write(all.pipe[1], "", 1); /* should it fail, the pipe's end says the same */
	close_pipe();
	pthread_mutex_unlock(&all.lock);
}

__attribute__((constructor)) static void loaded(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

/* Whether pages are those of a registration already. The caller holds the lock. */
static bool taken(uint64_t from, uint64_t to)
{
	for (struct registered *r = all.list; r; r = r->next)
		if (from < r->to && r->from < to)
			return true;
	return false;
}

static int refuse(const void *p, size_t n, const char *why)
{
	log_line(LOG_WARN, "cuMemHostRegister: %zu bytes at %p cannot be registered: %s", n, p, why);
	return CUDA_ERROR_NOT_SUPPORTED;
}

/* Puts the region's pages there. The caller holds the lock. A CUresult. */
static int take_pages(const struct range *range, uint64_t from, uint64_t to, uint64_t region)
{
	const char *why = replace_obstacle(from, to);
	if (why)
		return refuse((void *)(uintptr_t)range->base, range->size, why);
	struct registered *r = malloc(sizeof *r);
	if (!r)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!replace_by_region(from, to, region)) {
		free(r);
		return refuse((void *)(uintptr_t)range->base, range->size, "the kernel refuses to map it anew");
	}
	*r = (struct registered){.from = from, .to = to, .region = region, .next = all.list};
	all.list = r;
	return CUDA_SUCCESS;
}

/* Gives them back, but for those that the program has put others in the place of, or has unmapped: the stack of a
 * thread that has ended, say. The caller holds the lock. */
static bool give_pages(uint64_t from, uint64_t to, uint64_t region)
{
	struct registered **at = &all.list, *r;
	struct shared_file file;
	uint64_t part = from, end;
	while (*at && (*at)->from != from)
		at = &(*at)->next;
	if (!*at)
		return true;
	for (bool known = shared_find(region, region + (to - from), &file); known && shared_part(&file, from, &part, to, &end); part = end) {
		if (replace_by_private(part, end, region + (part - from)))
			continue;
		log_line(LOG_ERROR, "cuMemHostUnregister: there is no memory for what was registered");
		return false;
	}
	r = *at;
	*at = r->next;
	free(r);
	return true;
}

/* Memory that is shared with other processes stays where it is: the worker maps its file too. */
static int register_file(struct range *range, uint64_t from, uint64_t to, struct shared_file *f)
{
	uint64_t host, device;
	const void *p = (void *)(uintptr_t)range->base;
	if (*region32(WIRE_HDR_CARRIER) != WIRE_CARRIER_MEMORY)
		return refuse(p, range->size, "it is shared with other processes, and the GPU's host is another machine");
	if (!shared_open(from, to, f))
		return refuse(p, range->size, "it is shared with other processes, and has neither a file name nor a descriptor any more");
	int r = shared_map(f, from, to - from, &host, &device);
	close(f->fd);
	if (r == CUDA_ERROR_NOT_SUPPORTED)
		return refuse(p, range->size, "the worker cannot map its file; see the session's log");
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

static int register_pages(struct range *range, uint64_t from, uint64_t to)
{
	uint64_t device, region = heap_alloc(to - from);
	if (!region)
		return CUDA_ERROR_OUT_OF_MEMORY;
	unsigned reachable = range->flags & DEVICE_MAP ? WIRE_HOST_REACHABLE : 0;
	int r = wire_host_alloc(region, to - from, PORTABLE | DEVICE_MAP | reachable, &device);
	if (r) {
		heap_free(region, to - from);
		return r;
	}
	range->region = region + (range->base - from);
	range->device_address = device + (range->base - from);
	r = take_pages(range, from, to, region);
	if (!r && !wire_host_alias(region, to - from, from, &device))
		range->device_address = device + (range->base - from);
	if (!r && !memory_add(*range)) {
		give_pages(from, to, region);
		r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r) {
		wire_host_free(region, to - from);
		heap_free(region, to - from);
	}
	return r;
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
		return refuse(p, n, "memory of devices, or that the GPU may only read");
	if (*region32(WIRE_HDR_CARRIER) == WIRE_CARRIER_DEVICE)
		return refuse(p, n, "it would become memory of a PCI device, which the processor may not cache");
	if (sysconf(_SC_PAGESIZE) != PAGE)
		return refuse(p, n, "pages of this kernel are not of 4 KiB");
	int cancel = cancel_hold();
	pthread_mutex_lock(&all.lock);
	if (memory_overlaps(base, n))
		r = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	else if (taken(from, to))
		r = refuse(p, n, "it shares a page with memory that is registered already");
	range = (struct range){.base = base, .size = n, .type = MEMORY_REGISTERED, .context = context_owner(), .device = thread.context->device,
			       .flags = flags};
	if (!r)
		r = shared_find(from, to, &file) ? register_file(&range, from, to, &file) : register_pages(&range, from, to);
	pthread_mutex_unlock(&all.lock);
	cancel_allow(cancel);
	return r;
}

/* Where the pages of registered memory lie in the region, and how many bytes they are. */
static uint64_t pages_of(const struct range *range, uint64_t *bytes)
{
	uint64_t skip = range->base & (PAGE - 1);
	*bytes = (skip + range->size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	return range->region - skip;
}

/* Makes registered memory the program's own again. False, and nothing done, if there is no memory for it. */
static bool restore(const struct range *range)
{
	uint64_t bytes, region = pages_of(range, &bytes), from = range->base & ~(uint64_t)(PAGE - 1);
	int cancel = cancel_hold();
	pthread_mutex_lock(&all.lock);
	bool ok = give_pages(from, from + bytes, region);
	pthread_mutex_unlock(&all.lock);
	cancel_allow(cancel);
	return ok;
}

/* Ends a registration whose range has left the table. A CUresult. */
static int unregister(struct range range)
{
	uint64_t bytes, region = pages_of(&range, &bytes);
	int r = wire_ctx_wait(); /* what the GPU still writes there is the program's */
	if (range.file) {
		int unmapped = wire_host_unmap(region);
		return r ? r : unmapped;
	}
	if (!restore(&range)) {
		memory_add(range);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	int freed = wire_host_free(region, bytes);
	heap_free(region, bytes);
	return r ? r : freed;
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
