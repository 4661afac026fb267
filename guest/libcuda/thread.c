// SPDX-License-Identifier: Apache-2.0
#include "thread.h"

#include "channel.h"
#include "graph.h"
#include "state.h"

static uint32_t sequence[WIRE_SLOT_COUNT];
static uint64_t taken[WIRE_SLOT_COUNT / 64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

int thread_slot(void)
{
	if (likely(thread.slot))
		return 1;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < WIRE_SLOT_COUNT && !thread.slot; i++) {
		if (!(taken[i / 64] >> i % 64 & 1)) {
			taken[i / 64] |= 1ull << i % 64;
			thread.slot = i + 1;
		}
	}
	pthread_mutex_unlock(&lock);
	thread_watch();
	return thread.slot != 0;
}

uint32_t slot_next(uint32_t slot) { return ++sequence[slot - 1]; }

static void ended(void *unused)
{
	(void)unused;
	per_thread_streams_free();
	context_stack_free();
	edges_free();
	if (thread.slot) {
		unsigned i = thread.slot - 1;
		pthread_mutex_lock(&lock);
		taken[i / 64] &= ~(1ull << i % 64);
		pthread_mutex_unlock(&lock);
		thread.slot = 0;
	}
	thread.watched = false;
}

static void make_key(void) { pthread_key_create(&key, ended); }

void thread_watch(void)
{
	if (thread.watched)
		return;
	thread.watched = true;
	pthread_once(&once, make_key);
	pthread_setspecific(key, &thread);
}
