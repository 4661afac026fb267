// SPDX-License-Identifier: Apache-2.0
#include "stage.h"

#include "call.h"
#include "channel.h"
#include "context.h"
#include "generated/calls.h"
#include "state.h"

enum { PIECES = 1024, ASK_AFTER_NS = 10000000 };

/* Pieces in the order of their taking. Offsets are within the staging area. */
static struct {
	pthread_mutex_t lock;
	struct piece {
		uint64_t start, end;
		uint32_t value;
		struct object *lent; /* to this context, or NULL */
		uint64_t position; /* of the ring, behind the commands that use it */
	} fifo[PIECES];
	uint32_t head, tail; /* free-running */
	uint64_t next; /* where the next piece goes */
	uint32_t value;
} stage = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic uint32_t *flag_at(uint64_t start) { return region32(WIRE_STAGE_OFFSET + start); }

static bool reclaim(void)
{
	bool any = false;
	while (stage.head != stage.tail) {
		struct piece *p = &stage.fifo[stage.head % PIECES];
		if (atomic_load_explicit(flag_at(p->start), memory_order_acquire) != p->value)
			break;
		stage.head++;
		any = true;
	}
	return any;
}

/* Where a piece of n bytes goes that is to lie at start or behind it, within one part. */
static uint64_t within_part(uint64_t start, uint64_t n)
{
	uint64_t left = stage_part() - start % stage_part();
	return n <= left ? start : start + left;
}

/* Finds room for n bytes behind the newest piece or, past the end, before the oldest. */
static bool place(uint64_t n, uint64_t *start)
{
	if (stage.head == stage.tail) {
		*start = 0;
		return n <= session.stage;
	}
	if (stage.tail - stage.head == PIECES)
		return false;
	uint64_t oldest = stage.fifo[stage.head % PIECES].start;
	*start = within_part(stage.next, n);
	if (stage.next > oldest) {
		if (*start <= session.stage && session.stage - *start >= n)
			return true;
		*start = 0;
		return n < oldest;
	}
	return *start < oldest && oldest - *start > n; /* next == oldest would look empty */
}

static bool try_locked(struct stage *s, uint64_t size)
{
	uint64_t start, n = (STAGE_ALIGN + size + STAGE_ALIGN - 1) & ~(uint64_t)(STAGE_ALIGN - 1);
	reclaim();
	if (!place(n, &start))
		return false;
	struct piece *p = &stage.fifo[stage.tail++ % PIECES];
	*p = (struct piece){start, start + n, ++stage.value, NULL, 0};
	stage.next = p->end;
	atomic_store_explicit(flag_at(start), p->value - 1, memory_order_relaxed);
	uint64_t base = (uint64_t)(uintptr_t)session.base + WIRE_STAGE_OFFSET + start;
	*s = (struct stage){(void *)(uintptr_t)(base + STAGE_ALIGN), base, p->value, stage.tail - 1};
	return true;
}

bool stage_try(struct stage *s, uint64_t size)
{
	pthread_mutex_lock(&stage.lock);
	bool ok = try_locked(s, size);
	pthread_mutex_unlock(&stage.lock);
	return ok;
}

void stage_lend(const struct stage *s)
{
	pthread_mutex_lock(&stage.lock);
	struct piece *p = &stage.fifo[s->number % PIECES];
	if (p->value == s->value) { /* it may be back already */
		p->lent = context_owner();
		p->position = call_position();
	}
	pthread_mutex_unlock(&stage.lock);
}

/* Only what the worker has run by now: a flag that is written later would be in another piece. */
void stage_forget(const struct object *context)
{
	pthread_mutex_lock(&stage.lock);
	for (uint32_t i = stage.head; i != stage.tail; i++) {
		const struct piece *p = &stage.fifo[i % PIECES];
		if (p->lent == context && p->position <= thread.answered)
			atomic_store_explicit(flag_at(p->start), p->value, memory_order_release);
	}
	pthread_mutex_unlock(&stage.lock);
	region_release();
}

/* Pieces come back in order, and the streams of a context that has failed write no flags any more: so the context that
 * has the oldest piece is asked how it is. */
static void ask_oldest(void)
{
	struct object *mine = thread.context;
	pthread_mutex_lock(&stage.lock);
	struct object *context = stage.head == stage.tail ? NULL : stage.fifo[stage.head % PIECES].lent;
	pthread_mutex_unlock(&stage.lock);
	if (!context || session.captures) /* the question would spoil a capture */
		return;
	thread.context = context;
	if (context_ended_by(wire_cuStreamQuery((void *)1)))
		stage_forget(context);
	thread.context = mine;
}

int stage_take(struct stage *s, uint64_t size)
{
	struct patience p = {0};
	uint64_t asked_ns = 0, pause_ns = ASK_AFTER_NS;
	while (!stage_try(s, size)) {
		if (!patience_step(&p))
			return session_absent();
		uint64_t now = p.start_ns ? monotonic_ns() : 0;
		if (!asked_ns) {
			asked_ns = p.start_ns;
		} else if (now - asked_ns > pause_ns) {
			ask_oldest();
			asked_ns = now;
			pause_ns *= 2;
		}
	}
	return CUDA_SUCCESS;
}

void stage_return(const struct stage *s)
{
	atomic_store_explicit((_Atomic uint32_t *)(uintptr_t)s->flag, s->value, memory_order_release);
	region_release(); /* another thread may be waiting for room */
}
