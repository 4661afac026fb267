// SPDX-License-Identifier: Apache-2.0
/*
 * One command on the ring. The generated encoders use it so:
 *
 *	call_begin   takes the ring's lock, waits for room, writes the frame
 *	call_u64 ... writes the arguments, exactly as many bytes as were announced
 *	call_end     publishes the command, drops the lock; CALL_WAIT then waits for the answer
 *	reply_u64 .. reads the answer
 *
 * A wait ends with the answer, or with an error when the worker is gone.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "generated/calls.h"
#include "generated/results.h"
#include "generated/wire.h"

enum call_kind { CALL_CAST, CALL_WAIT };

struct call {
	uint8_t *at; /* next argument */
	uint8_t *end; /* of the announced room */
	const uint8_t *reply; /* data of the answer, NULL if the GPU gave it */
	uint32_t reply_bytes;
	uint64_t tail; /* the ring's tail once published */
	uint64_t position; /* the same, over all sessions of the process */
	uint32_t slot; /* 1 + index */
	uint32_t seq;
	int kind;
	int op;
};

int call_begin(struct call *c, int op, size_t bytes, int kind);
/* call_end in two steps: several commands of one thread may be on their way, and are awaited in order. */
void call_submit(struct call *c);
int call_await(struct call *c);
int call_end(struct call *c);

/* Begins at the start of a new session's ring. No other thread may use it. */
void call_restart(void);

/* Where the ring stands: it moves with every command of any thread, and over sessions. */
uint64_t call_position(void);

/* Returns the error of an earlier cast that has not been returned yet, or CUDA_SUCCESS. As in CUDA, launches,
 * copies and synchronisations return errors of earlier work. */
int call_deferred(void);

/* Bytes of a run of n bytes in a frame. What cannot fit stays too large. */
static inline size_t call_pad(size_t n) { return n > WIRE_MAX_COMMAND ? WIRE_MAX_COMMAND : (n + 7) & ~(size_t)7; }

static inline void call_u64(struct call *c, uint64_t v)
{
	memcpy(c->at, &v, 8);
	c->at += 8;
}

static inline void call_f32(struct call *c, float v)
{
	uint32_t w;
	memcpy(&w, &v, 4);
	call_u64(c, w);
}

static inline void call_blob(struct call *c, const void *p, size_t n)
{
	call_u64(c, n);
	if (n) {
		size_t padded = call_pad(n);
		memset(c->at + padded - 8, 0, 8);
		memcpy(c->at, p, n);
		c->at += padded;
	}
}

/* Writes a counted array of handles; a wrong one becomes an id that the worker refuses. */
int call_handles(struct call *c, int kind, void *const *handles, size_t n);

static inline uint64_t reply_u64(struct call *c)
{
	uint64_t v;
	memcpy(&v, c->reply, 8);
	c->reply += 8;
	return v;
}

static inline float reply_f32(struct call *c)
{
	uint32_t w = (uint32_t)reply_u64(c);
	float v;
	memcpy(&v, &w, 4);
	return v;
}

static inline void reply_blob(struct call *c, void *p, size_t n)
{
	memcpy(p, c->reply, n);
	c->reply += (n + 7) & ~(size_t)7;
}
