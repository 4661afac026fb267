// SPDX-License-Identifier: Apache-2.0
/*
 * One core moves some 10 GB/s between pageable memory and staging, and less where pages are touched for the first
 * time; a GPU takes five times that. So a few threads share the work, chunk by chunk. They exist only once a program
 * has made a copy worth it, sleep between copies, block all signals, and end with the process.
 */
#define _GNU_SOURCE
#include "crew.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "state.h"

#ifndef CREW_CORES_EACH
#define CREW_CORES_EACH 4 /* one helper for so many cores: the program has use for them too */
#endif

enum {
	CHUNK = 256 << 10,
	MOST = 3, /* helpers: with the caller, four cores come near a GPU's rate */
	SPIN = 20000 /* rounds that a helper watches for the next copy: a long transfer is many */
};

static struct {
	pthread_mutex_t lock; /* held by who gives work */
	pthread_mutex_t door; /* guards open, inside */
	pthread_cond_t work;
	bool open;
	unsigned inside; /* helpers that may touch the job */
	_Atomic unsigned jobs; /* given so far */

	uint8_t *to;
	const uint8_t *from;
	size_t n;
	_Atomic size_t next; /* first byte that nobody has taken */

	pid_t pid; /* whose threads these are */
	int helpers; /* -1: none can be had */
} crew = {.lock = PTHREAD_MUTEX_INITIALIZER, .door = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static void copy_chunks(void)
{
	for (;;) {
		size_t at = atomic_fetch_add_explicit(&crew.next, CHUNK, memory_order_relaxed);
		if (at >= crew.n)
			return;
		memcpy(crew.to + at, crew.from + at, crew.n - at < CHUNK ? crew.n - at : CHUNK);
	}
}

static void *help(void *unused)
{
	unsigned seen = 0;
	(void)unused;
	for (;;) {
		for (int i = 0; i < SPIN && atomic_load_explicit(&crew.jobs, memory_order_relaxed) == seen; i++)
			cpu_relax();
		pthread_mutex_lock(&crew.door);
		while (!crew.open || crew.jobs == seen)
			pthread_cond_wait(&crew.work, &crew.door);
		seen = crew.jobs;
		crew.inside++;
		pthread_mutex_unlock(&crew.door);
		copy_chunks();
		pthread_mutex_lock(&crew.door);
		crew.inside--;
		pthread_mutex_unlock(&crew.door);
	}
	return NULL;
}

/* Starts the helpers, with all signals blocked: they are the program's. The caller holds the lock. */
static void hire(void)
{
	sigset_t all, old;
	pthread_attr_t a;
	pthread_t t;
	cpu_set_t set;
	int cores = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set), wanted = cores / CREW_CORES_EACH;
	crew.pid = getpid();
	crew.helpers = -1;
	if (wanted < 1 || pthread_attr_init(&a))
		return;
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (int i = 0; i < wanted && i < MOST && !pthread_create(&t, &a, help, NULL); i++)
		crew.helpers = i + 1;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&a);
}

void crew_copy(void *to, const void *from, size_t n)
{
	if (n < CREW_WORTHWHILE || pthread_mutex_trylock(&crew.lock)) {
		memcpy(to, from, n);
		return;
	}
	if (crew.pid != session.pid)
		hire();
	if (crew.helpers < 1) {
		pthread_mutex_unlock(&crew.lock);
		memcpy(to, from, n);
		return;
	}
	pthread_mutex_lock(&crew.door);
	crew.to = to;
	crew.from = from;
	crew.n = n;
	atomic_store_explicit(&crew.next, 0, memory_order_relaxed);
	crew.open = true;
	crew.jobs++;
	pthread_cond_broadcast(&crew.work);
	pthread_mutex_unlock(&crew.door);
	copy_chunks();
	pthread_mutex_lock(&crew.door);
	crew.open = false;
	while (crew.inside) { /* each is within its last chunk */
		pthread_mutex_unlock(&crew.door);
		cpu_relax();
		pthread_mutex_lock(&crew.door);
	}
	pthread_mutex_unlock(&crew.door);
	pthread_mutex_unlock(&crew.lock);
}
