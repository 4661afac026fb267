// SPDX-License-Identifier: Apache-2.0
/* In an event's object: extra[0] is 1 + its word, or NEVER; extra[1] the number of its latest record, 0 if the word
 * does not tell of it; extra[2] when the worker was last asked, in ns; extra[3] counts records by twos, and is odd when
 * the latest one is known to be complete. */
#include "eventword.h"

#include "call.h"
#include "channel.h"
#include "console.h"
#include "object.h"
#include "state.h"

#define NEVER UINT64_MAX

enum { ASK_AFTER_NS = 100000, AWAIT_NS = 2000000 };

static struct {
	pthread_mutex_t lock;
	uint32_t used, free; /* words given out once; 1 + the first that came back, 0 for none */
	uint32_t next[WIRE_EVENT_COUNT]; /* 1 + the one that came back before it */
	uint32_t number[WIRE_EVENT_COUNT]; /* of the last record: a word goes on counting with its next event */
} words = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic uint64_t *field(struct object *o, int i) { return (_Atomic uint64_t *)&o->extra[i]; }
static uint64_t get(struct object *o, int i) { return atomic_load_explicit(field(o, i), memory_order_relaxed); }
static void set(struct object *o, int i, uint64_t v) { atomic_store_explicit(field(o, i), v, memory_order_relaxed); }

void word_wanted(struct object *o)
{
	if (get(o, 0))
		return;
	pthread_mutex_lock(&words.lock);
	uint32_t word = words.free;
	if (word)
		words.free = words.next[word - 1];
	else if (words.used < WIRE_EVENT_COUNT)
		word = ++words.used;
	if (word && !get(o, 0))
		set(o, 0, word);
	pthread_mutex_unlock(&words.lock);
}

bool word_next(struct object *o, uint32_t *word, uint32_t *value)
{
	uint64_t mine = get(o, 0);
	if (!mine || mine == NEVER)
		return false;
	*word = (uint32_t)mine - 1;
	pthread_mutex_lock(&words.lock);
	uint32_t n = words.number[*word] + 1;
	words.number[*word] = n = n < WIRE_EVENT_UNKNOWN ? n : 1;
	pthread_mutex_unlock(&words.lock);
	*value = n;
	set(o, 2, 0);
	set(o, 1, n);
	return true;
}

void word_renew(struct object *o)
{
	uint64_t old = get(o, 3);
	while (!atomic_compare_exchange_weak_explicit(field(o, 3), &old, (old | 1) + 1, memory_order_relaxed, memory_order_relaxed)) {
	}
}

uint64_t word_record(struct object *o) { return get(o, 3); }

void word_complete(struct object *o, uint64_t record)
{
	if (get(o, 0) != NEVER)
		atomic_compare_exchange_strong_explicit(field(o, 3), &record, record | 1, memory_order_release, memory_order_relaxed);
}

void word_forget(struct object *o) { set(o, 1, 0); }

static void take_back(struct object *o, uint64_t now)
{
	pthread_mutex_lock(&words.lock);
	uint64_t word = get(o, 0);
	set(o, 0, now);
	set(o, 1, 0);
	if (word && word != NEVER) {
		words.next[word - 1] = words.free;
		words.free = (uint32_t)word;
	}
	pthread_mutex_unlock(&words.lock);
}

void word_never(struct object *o)
{
	take_back(o, NEVER);
	word_renew(o);
}

void word_return(struct object *o) { take_back(o, 0); }

/* Numbers are compared for equality: an old record's, stored late, then means at most that the worker is asked. */
static enum word_state look(struct object *o)
{
	uint64_t word = get(o, 0);
	uint32_t number = (uint32_t)get(o, 1);
	if (atomic_load_explicit(field(o, 3), memory_order_acquire) & 1) {
		region_acquire();
		return WORD_DONE;
	}
	if (!word || word == NEVER || !number)
		return WORD_ASK;
	uint32_t said = atomic_load_explicit(region32(WIRE_EVENTS_OFFSET + 4 * (word - 1)), memory_order_acquire);
	if (said == number) {
		region_acquire();
		return WORD_DONE;
	}
	return said == (number | WIRE_EVENT_UNKNOWN) ? WORD_ASK : WORD_PENDING;
}

enum word_state word_look(struct object *o)
{
	enum word_state state = look(o);
	if (state != WORD_PENDING)
		return state;
	/* A context that has failed stores nothing any more, and a worker that has gone neither. */
	uint64_t now = monotonic_ns(), asked = get(o, 2);
	if (!asked)
		set(o, 2, now);
	else if (now - asked > ASK_AFTER_NS) {
		set(o, 2, now);
		return WORD_ASK;
	}
	return WORD_PENDING;
}

bool word_await(struct object *o)
{
	struct patience p = {0};
	enum word_state state;
	while ((state = look(o)) == WORD_PENDING)
		if (!patience_step(&p) || (p.start_ns && monotonic_ns() - p.start_ns > AWAIT_NS))
			return false;
	if (state == WORD_DONE)
		console_drain();
	return state == WORD_DONE;
}
