// SPDX-License-Identifier: Apache-2.0
/*
 * A child of fork gets its own copy of what is registered, as it would of pinned memory natively: its parent waits meanwhile.
 * Children that are made without the handlers of pthread_atfork, by a bare clone or _Fork, share the memory.
 */
#define _GNU_SOURCE
#include "registered.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "call.h"
#include "cancel.h"
#include "channel.h"
#include "generated/calls.h"
#include "log.h"
#include "memory.h"
#include "replace.h"
#include "sharedfile.h"

enum { PORTABLE = 1, DEVICE_MAP = 2, PAGE = 4096, FORK_PATIENCE_MS = 60000 };

enum side { LOW, HIGH, SIDES }; /* the first and the last page */

struct registered {
	uint64_t first, host, bytes; /* its first page, where that lies in the region, and all of its pages */
	uint64_t from, to, region; /* those that it has itself, and where from lies in the region */
	uint64_t device; /* the device's address of first */
	bool reached; /* by the device at the program's addresses */
	struct object *context;
	struct {
		struct registered *of; /* whose page it is, NULL if its own */
		void *kept; /* the region's page in whose place that is mapped too */
	} joint[SIDES];
	unsigned sharers; /* whose joint pages are its own */
	bool over; /* unregistered, and shared still */
	uint64_t lent_from, lent_to; /* private over a fork; was has what they held */
	uint8_t *was;
	struct registered *next;
};

static struct {
	pthread_mutex_t lock;
	struct registered *list;
	int pipe[2];
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .pipe = {-1, -1}};

void registered_lock(void) { pthread_mutex_lock(&all.lock); }
void registered_unlock(void) { pthread_mutex_unlock(&all.lock); }

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

int registered_refuse(const void *p, uint64_t n, const char *why)
{
	log_line(LOG_WARN, "cuMemHostRegister: %llu bytes at %p cannot be registered: %s", (unsigned long long)n, p, why);
	return CUDA_ERROR_NOT_SUPPORTED;
}

/* Whether pages are the region's still: the program may have freed what is over. */
static bool hold(const struct registered *r, uint64_t from, uint64_t to)
{
	struct shared_file file;
	uint64_t at = from, part, end, region = r->region + (from - r->from);
	if (from < to && !shared_find(region, region + (to - from), &file))
		return false;
	for (; at < to; at = end) {
		part = at;
		if (!shared_part(&file, from, &part, to, &end) || part != at)
			return false;
	}
	return true;
}

/* The page at a side, and its place in the region. */
static uint64_t page_at(const struct registered *r, enum side side) { return r->first + (side == LOW ? 0 : r->bytes - PAGE); }
static uint64_t slot_at(const struct registered *r, enum side side) { return r->host + (page_at(r, side) - r->first); }

/* Finds whose the first and the last page are already, which leaves the others. False if some of those are another's, too. */
static bool find_owners(struct registered *r)
{
	uint64_t to = r->first + r->bytes;
	for (struct registered *o = all.list; o; o = o->next) {
		uint64_t both_from = o->from > r->first ? o->from : r->first, both_to = o->to < to ? o->to : to;
		if (both_from >= both_to)
			continue;
		bool low = both_from == r->first;
		if (o->context != r->context || both_to - both_from > PAGE || !(low || both_from == page_at(r, HIGH)))
			return false;
		if (o->over && !hold(o, both_from, both_to))
			return false;
		r->joint[low ? LOW : HIGH].of = o;
	}
	r->from = r->first + (r->joint[LOW].of ? PAGE : 0);
	r->to = to - (r->joint[HIGH].of ? PAGE : 0);
	r->region = r->host + (r->from - r->first);
	return true;
}

static int join_pages(struct registered *r)
{
	for (enum side side = LOW; side < SIDES; side++) {
		const struct registered *o = r->joint[side].of;
		if (!o)
			continue;
		uint64_t slot = slot_at(r, side), other = o->region + (page_at(r, side) - o->from);
		int e = wire_host_join(slot, other);
		if (!e && !(r->joint[side].kept = replace_join(slot, other)))
			e = CUDA_ERROR_OUT_OF_MEMORY;
		if (e)
			return e;
	}
	return CUDA_SUCCESS;
}

/* Has the device reach the pages by the program's addresses too, if it reaches so what others have of them. */
static void reach(struct registered *r)
{
	uint64_t part;
	const struct registered *low = r->joint[LOW].of, *high = r->joint[HIGH].of;
	if ((low && !low->reached) || (high && !high->reached))
		return;
	if (r->from == r->to)
		r->device = low->device + (r->first - low->first);
	else if (!wire_host_alias(r->host, r->from - r->first, r->to - r->from, r->from, &part))
		r->device = part - (r->from - r->first);
	else
		return;
	r->reached = true;
}

static int take_pages(const struct registered *r, const struct range *range)
{
	const char *why = r->from < r->to ? replace_obstacle(r->from, r->to) : NULL;
	if (!why && r->from < r->to && !replace_by_region(r->from, r->to, r->region))
		why = "the kernel refuses to map it anew";
	return why ? registered_refuse((void *)(uintptr_t)range->base, range->size, why) : CUDA_SUCCESS;
}

static bool give_pages(const struct registered *r)
{
	struct shared_file file;
	uint64_t part = r->from, end;
	bool known = r->from < r->to && shared_find(r->region, r->region + (r->to - r->from), &file);
	for (; known && shared_part(&file, r->from, &part, r->to, &end); part = end) {
		if (replace_by_private(part, end, r->region + (part - r->from)))
			continue;
		log_line(LOG_ERROR, "cuMemHostUnregister: there is no memory for what was registered");
		return false;
	}
	return true;
}

/* Gives the region's pages back, the joint ones parted first by the worker, then here. A CUresult. */
static int leave(struct registered *r)
{
	int e = wire_host_free(r->host, r->bytes);
	for (enum side side = LOW; side < SIDES; side++)
		if (r->joint[side].kept)
			replace_part(slot_at(r, side), r->joint[side].kept);
	heap_free(r->host, r->bytes);
	return e;
}

static bool add(struct range *range, const struct registered *r)
{
	range->region = r->host + (range->base - r->first);
	range->device_address = r->device + (range->base - r->first);
	return memory_add(*range);
}

static int begin(struct registered *r, struct range *range)
{
	unsigned reachable = range->flags & DEVICE_MAP ? WIRE_HOST_REACHABLE : 0;
	if (!find_owners(r))
		return registered_refuse((void *)(uintptr_t)range->base, range->size, "it shares pages with memory that is registered already");
	if ((r->joint[LOW].of || r->joint[HIGH].of) && *region32(WIRE_HDR_CARRIER) != WIRE_CARRIER_MEMORY)
		return registered_refuse((void *)(uintptr_t)range->base, range->size,
					 "it shares a page with memory that is registered already, and the GPU's host is another machine");
	int e = join_pages(r);
	if (!e)
		e = wire_host_alloc(r->host, r->bytes, PORTABLE | DEVICE_MAP | reachable, &r->device);
	if (!e)
		e = take_pages(r, range);
	if (e)
		return e;
	reach(r);
	if (add(range, r))
		return CUDA_SUCCESS;
	give_pages(r);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

bool registered_some(uint64_t from, uint64_t to)
{
	for (const struct registered *r = all.list; r; r = r->next)
		if (r->from < to && from < r->to)
			return true;
	return false;
}

int registered_begin(struct range *range, uint64_t from, uint64_t to)
{
	struct registered *r;
	for (r = all.list; r; r = r->next)
		if (r->over && r->first == from && r->bytes == to - from && r->context == range->context && hold(r, r->from, r->to))
			break;
	if (r) {
		r->over = !add(range, r);
		return r->over ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
	}
	r = calloc(1, sizeof *r);
	if (!r)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r->first = from;
	r->bytes = to - from;
	r->context = range->context;
	r->host = heap_alloc(r->bytes);
	int e = r->host ? begin(r, range) : CUDA_ERROR_OUT_OF_MEMORY;
	if (e) {
		if (r->host)
			leave(r);
		free(r);
		return e;
	}
	for (enum side side = LOW; side < SIDES; side++)
		if (r->joint[side].of)
			r->joint[side].of->sharers++;
	r->next = all.list;
	all.list = r;
	return CUDA_SUCCESS;
}

static void unlink_it(const struct registered *r)
{
	struct registered **at = &all.list;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
}

bool registered_end(const struct range *range, int *result)
{
	struct registered *r = all.list, *due;
	uint64_t host = range->region - (range->base & (PAGE - 1));
	*result = CUDA_SUCCESS;
	while (r && r->host != host)
		r = r->next;
	if (!r)
		return true;
	r->over = r->sharers;
	if (r->over)
		return true;
	if (!give_pages(r))
		return false;
	unlink_it(r);
	for (r->next = NULL; r; r = due) {
		int e = leave(r);
		*result = *result ? *result : e;
		due = r->next;
		for (enum side side = LOW; side < SIDES; side++) {
			struct registered *o = r->joint[side].of;
			if (!o || --o->sharers || !o->over || !give_pages(o))
				continue;
			unlink_it(o);
			o->next = due;
			due = o;
		}
		free(r);
	}
	return true;
}
