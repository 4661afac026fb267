// SPDX-License-Identifier: Apache-2.0
#include "call.h"

#include <stdio.h>

#include "capture.h"
#include "channel.h"
#include "console.h"
#include "context.h"
#include "log.h"
#include "logs.h"
#include "object.h"
#include "thread.h"

/* The producer's side of the ring. Threads take turns; the lock is held while a frame is written. */
static struct {
	pthread_mutex_t lock;
	uint64_t tail, head; /* head as last seen */
	uint64_t before; /* where the rings of earlier sessions had come to: positions only grow */
	_Atomic uint64_t position; /* the tail, for threads without the lock */
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Waits until n more bytes fit behind the tail. The caller holds the lock. */
static int await_room(uint64_t n)
{
	struct patience p = {0};
	while (ring.tail + n - ring.head > WIRE_RING_SIZE) {
		ring.head = atomic_load_explicit(region64(WIRE_RING_HEAD), memory_order_acquire);
		if (ring.tail + n - ring.head <= WIRE_RING_SIZE)
			break;
		if (!patience_step(&p))
			return session_absent();
	}
	return CUDA_SUCCESS;
}

/* Publishes everything before tail, and wakes the worker if it sleeps. */
static void publish(uint64_t tail)
{
	ring.tail = tail;
	atomic_store_explicit(&ring.position, ring.before + tail, memory_order_relaxed);
	region_release();
	atomic_store_explicit(region64(WIRE_RING_TAIL), tail, memory_order_release);
	/* The worker stores parked, then loads the tail; here the tail is stored, then parked loaded. The fence
	 * keeps this order, so that one of the two sees the other. */
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(session.weak))
		full_fence();
	if (unlikely(atomic_load_explicit(region32(WIRE_RING_PARKED), memory_order_relaxed)) &&
	    atomic_exchange(region32(WIRE_RING_PARKED), 0))
		channel_ring();
}

/* A frame does not wrap: fills the ring up to its end if it would. */
static int make_contiguous(uint64_t size)
{
	uint64_t left = WIRE_RING_SIZE - ring.tail % WIRE_RING_SIZE;
	if (left >= size)
		return CUDA_SUCCESS;
	int r = await_room(left);
	if (r)
		return r;
	uint8_t *f = session.base + WIRE_RING_OFFSET + ring.tail % WIRE_RING_SIZE;
	uint32_t bytes = (uint32_t)left, op = WIRE_OP_FILLER;
	memcpy(f + WIRE_CMD_SIZE, &bytes, 4);
	memcpy(f + WIRE_CMD_OP, &op, 4);
	publish(ring.tail + left);
	return CUDA_SUCCESS;
}

int call_begin(struct call *c, int op, size_t bytes, int kind)
{
	uint64_t size = WIRE_FRAME_SIZE + (uint64_t)bytes;
	if (unlikely(bytes > WIRE_MAX_COMMAND - WIRE_FRAME_SIZE || bytes % 8))
		return CUDA_ERROR_INVALID_VALUE;
	if (unlikely(kind == CALL_WAIT && !thread_slot())) {
		log_line(LOG_ERROR, "more than %u threads use CUDA at once", (unsigned)WIRE_SLOT_COUNT);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	uint32_t flags = capture_strict() ? WIRE_CMD_STRICT : 0;
	pthread_mutex_lock(&ring.lock);
	int r = make_contiguous(size);
	if (likely(!r))
		r = await_room(size);
	if (unlikely(r)) {
		pthread_mutex_unlock(&ring.lock);
		return r;
	}
	c->kind = kind;
	c->op = op;
	c->reply = NULL;
	c->reply_bytes = 0;
	c->slot = kind == CALL_WAIT ? thread.slot : 0;
	c->seq = c->slot ? slot_next(c->slot) : 0;
	c->tail = ring.tail + size;
	c->position = ring.before + c->tail;
	uint8_t *f = session.base + WIRE_RING_OFFSET + ring.tail % WIRE_RING_SIZE;
	uint32_t frame[6] = {(uint32_t)size, (uint32_t)op, thread.context ? object_id(thread.context) : 0, c->slot, c->seq, flags};
	_Static_assert(sizeof frame == WIRE_FRAME_SIZE && WIRE_CMD_CONTEXT == 8 && WIRE_CMD_SLOT == 12 && WIRE_CMD_SEQ == 16 && WIRE_CMD_FLAGS == 20,
		"the frame is written as one");
	memcpy(f, frame, sizeof frame);
	c->at = f + WIRE_FRAME_SIZE;
	c->end = f + size;
	return CUDA_SUCCESS;
}

void call_submit(struct call *c)
{
	if (unlikely(c->at != c->end)) /* an encoder announced another length: the worker must not see rubbish */
		memset(c->at, 0, c->at < c->end ? (size_t)(c->end - c->at) : 0);
	publish(c->tail);
	pthread_mutex_unlock(&ring.lock);
}

void call_restart(void)
{
	pthread_mutex_init(&ring.lock, NULL); /* in a child of fork, whoever held it is not there */
	ring.before += ring.tail;
	ring.tail = ring.head = 0;
}

uint64_t call_position(void) { return atomic_load_explicit(&ring.position, memory_order_relaxed); }

int call_deferred(void)
{
	uint32_t seq = atomic_load_explicit(region32(WIRE_STATUS_ASYNC_SEQ), memory_order_acquire);
	uint32_t seen = atomic_load_explicit(&session.async_seen, memory_order_relaxed);
	if (likely(seq == seen) || !atomic_compare_exchange_strong(&session.async_seen, &seen, seq))
		return CUDA_SUCCESS;
	int r = (int)atomic_load_explicit(region32(WIRE_STATUS_ASYNC_CODE), memory_order_relaxed);
	log_line(LOG_DEBUG, "an earlier call failed: error %d", r);
	return context_note(r);
}

/* Behind an answer: what else it says. */
static void note_answer(const struct call *c, uint64_t slot)
{
	region_acquire();
	thread.answered = c->position;
	thread.whole = atomic_load_explicit(region32(slot + WIRE_SLOT_WHOLE), memory_order_relaxed) == c->seq;
}

/* Answers of a slot come in order, so a later one answers for all before it. */
static bool reached(uint32_t value, uint32_t seq) { return (int32_t)(value - seq) >= 0; }

static int failed(const struct call *c, int r)
{
	char text[96];
	int n = snprintf(text, sizeof text, "%s: error %d", op_names[c->op], r);
	log_line(LOG_DEBUG, "%s", text);
	logs_note(LOG_ERROR, text, (size_t)n); /* what a program is told that asks why a call has failed */
	return context_note(r);
}

int call_await(struct call *c)
{
	uint64_t slot = WIRE_SLOTS_OFFSET + (uint64_t)(c->slot - 1) * WIRE_SLOT_SIZE;
	struct patience p = {0};
	for (;;) {
		uint64_t answer = atomic_load_explicit(region64(slot + WIRE_SLOT_SEQ), memory_order_acquire);
		if (reached((uint32_t)answer, c->seq)) {
			note_answer(c, slot);
			c->reply = session.base + slot + WIRE_SLOT_DATA;
			c->reply_bytes = atomic_load_explicit(region32(slot + WIRE_SLOT_BYTES), memory_order_relaxed);
			console_drain();
			int r = (int)(answer >> 32);
			return likely(!r || r == CUDA_ERROR_NOT_READY) ? r : failed(c, r);
		}
		if (reached(atomic_load_explicit(region32(slot + WIRE_SLOT_FLAG), memory_order_acquire), c->seq)) {
			note_answer(c, slot);
			console_drain();
			return CUDA_SUCCESS;
		}
		if (!patience_step(&p))
			return session_absent();
	}
}

int call_end(struct call *c)
{
	call_submit(c);
	return c->kind == CALL_WAIT ? call_await(c) : CUDA_SUCCESS;
}

int call_handles(struct call *c, int kind, void *const *handles, size_t n)
{
	call_u64(c, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t id;
		call_u64(c, handle_id(handles[i], kind, &id) ? id : UINT32_MAX);
	}
	return CUDA_SUCCESS;
}
