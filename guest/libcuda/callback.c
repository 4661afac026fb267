// SPDX-License-Identifier: Apache-2.0
/*
 * Host functions in stream order: the worker puts a request into the region when a stream gets there, a
 * thread of this library runs it and counts it as done. The thread exists only once a program uses one.
 */
#include "callback.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "call.h"
#include "capture.h"
#include "channel.h"
#include "generated/calls.h"
#include "log.h"
#include "object.h"
#include "state.h"

struct callback {
	void (*function)(void *);
	void *data;
	bool once;
	bool urgent; /* a stream waits for it */
	uint64_t next_free; /* id, 0 at the end */
};

enum { BLOCK = 256, BLOCKS = 4096 };

/* Callbacks never move: blocks of them, found by id. */
static struct {
	pthread_mutex_t lock;
	struct callback *blocks[BLOCKS];
	uint64_t used;
	uint64_t free; /* id of the first that can be used again, 0 for none */
	bool running;
	bool lost; /* with the session: nothing will be asked for any more */
	_Atomic uint64_t outstanding;
} calls = {.lock = PTHREAD_MUTEX_INITIALIZER, .used = 1};

static struct callback *at(uint64_t id)
{
	struct callback *block = id && id / BLOCK < BLOCKS ? calls.blocks[id / BLOCK] : NULL;
	return block ? &block[id % BLOCK] : NULL;
}

/* How long there has been nothing to run, and when the worker was last looked after. */
struct idle {
	uint64_t since_ns, looked_ns;
	unsigned rounds;
};

/* Makes an id free. The caller holds the lock. */
static void forget(struct callback *c, uint64_t id)
{
	c->function = NULL;
	c->next_free = calls.free;
	calls.free = id;
	calls.outstanding -= c->urgent;
}

static void run(uint64_t id)
{
	pthread_mutex_lock(&calls.lock);
	struct callback *c = at(id), copy = {0};
	if (c) {
		copy = *c;
		if (c->once && c->function)
			forget(c, id);
	}
	pthread_mutex_unlock(&calls.lock);
	if (copy.function)
		copy.function(copy.data);
}

/* The stream stands still until its function has run, so this thread watches closely for a while after each, where
 * there are cores to spare, and then sleeps in proportion to the time since. */
static void idle(struct idle *i)
{
	enum { ROUNDS_BETWEEN_LOOKS = 64, FEW_CORES_NS = 50000, MANY_CORES_NS = 2000000, SHORTEST_NS = 20000,
	       LONGEST_NS = 1000000, LOOK_EVERY_NS = 10000000 };
	cpu_relax();
	if (++i->rounds % ROUNDS_BETWEEN_LOOKS)
		return;
	uint64_t now = monotonic_ns();
	if (!i->since_ns)
		i->since_ns = i->looked_ns = now;
	uint64_t waited = now - i->since_ns;
	if (calls.outstanding && now - i->looked_ns > LOOK_EVERY_NS) {
		i->looked_ns = now;
		channel_alive(); /* the program may wait for its function and ask for nothing */
	}
	if (waited < (many_cores() ? MANY_CORES_NS : FEW_CORES_NS))
		return;
	uint64_t sleep = calls.outstanding ? SHORTEST_NS : waited / 8;
	struct timespec t = {0, (long)(sleep < LONGEST_NS ? sleep : LONGEST_NS)};
	nanosleep(&t, NULL);
	i->rounds = ROUNDS_BETWEEN_LOOKS - 1;
}

/* The older form has the stream and its status as arguments. */
struct stream_callback {
	void (*function)(void *stream, int status, void *data);
	void *stream, *data;
};

static void call_back(void *p, int status)
{
	struct stream_callback c = *(struct stream_callback *)p;
	free(p);
	c.function(c.stream, status, c.data);
}

static void run_stream_callback(void *p) { call_back(p, CUDA_SUCCESS); }

/* The id of a stream's callback that nobody has taken, at or behind another; 0 when there is none. */
static uint64_t take_callback(uint64_t id, void **p)
{
	pthread_mutex_lock(&calls.lock);
	calls.lost = true;
	while (id < calls.used && at(id)->function != run_stream_callback)
		id++;
	bool found = id < calls.used;
	if (found) {
		*p = at(id)->data;
		forget(at(id), id);
	}
	pthread_mutex_unlock(&calls.lock);
	return found ? id : 0;
}

/* The session has ended, and nothing is asked for any more. As in CUDA, host functions are not called after an error, but
 * the older form is, with the error. */
static void lose(void)
{
	void *p;
	for (uint64_t id = 1; (id = take_callback(id, &p));)
		call_back(p, session.result);
}

static void *loop(void *unused)
{
	struct idle i = {0};
	(void)unused;
	capture_relax(); /* a graph's end is this library's to clean up */
	/* A program in exit() may still wait for a thread that waits for a stream. */
	while (session.state == SESSION_LIVE || session.state == SESSION_LEFT) {
		uint32_t done = atomic_load(region32(WIRE_STATUS_CALL_TAIL));
		if (atomic_load_explicit(region32(WIRE_STATUS_CALL_HEAD), memory_order_acquire) == done) {
			idle(&i);
			continue;
		}
		region_acquire();
		uint64_t id;
		memcpy(&id, session.base + WIRE_CALLBACK_RING + done % WIRE_CALLBACK_ENTRIES * WIRE_CALLBACK_SIZE, 8);
		run(id);
		region_release();
		atomic_store_explicit(region32(WIRE_STATUS_CALL_TAIL), done + 1, memory_order_release);
		region_release();
		i = (struct idle){0};
	}
	if (session.state == SESSION_ENDED)
		lose();
	return NULL;
}

/* Starts the thread, with all signals blocked: they are the program's. The caller holds the lock. */
static bool start(void)
{
	sigset_t all, old;
	pthread_t t;
	pthread_attr_t a;
	if (calls.running)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	calls.running = pthread_create(&t, &a, loop, NULL) == 0;
	pthread_attr_destroy(&a);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return calls.running;
}

/* An id that is not in use, with its block in memory; 0 when there is none. The caller holds the lock. */
static uint64_t take_id(void)
{
	uint64_t id = calls.free;
	if (id) {
		calls.free = at(id)->next_free;
		return id;
	}
	if (calls.used == (uint64_t)BLOCK * BLOCKS)
		return 0;
	struct callback **block = &calls.blocks[calls.used / BLOCK];
	if (!*block)
		*block = calloc(BLOCK, sizeof **block);
	return *block ? calls.used++ : 0;
}

static uint64_t add(struct callback c)
{
	pthread_mutex_lock(&calls.lock);
	uint64_t id = !calls.lost && start() ? take_id() : 0;
	if (id) {
		*at(id) = c;
		calls.outstanding += c.urgent;
	}
	pthread_mutex_unlock(&calls.lock);
	return id;
}

uint64_t callback_add(void (*function)(void *), void *data, bool once)
{
	return add((struct callback){.function = function, .data = data, .once = once, .urgent = true});
}

uint64_t callback_add_last(void (*function)(void *), void *data)
{
	return add((struct callback){.function = function, .data = data, .once = true});
}

bool callback_drop(uint64_t id)
{
	pthread_mutex_lock(&calls.lock);
	struct callback *c = at(id);
	bool there = c && c->function;
	if (there)
		forget(c, id);
	pthread_mutex_unlock(&calls.lock);
	return there;
}

bool callback_find(uint64_t id, void (**function)(void *), void **data)
{
	pthread_mutex_lock(&calls.lock);
	const struct callback *c = at(id);
	bool found = c && c->function;
	if (found) {
		*function = c->function;
		*data = c->data;
	}
	pthread_mutex_unlock(&calls.lock);
	return found;
}

static int launch_host(void *stream, void (*function)(void *), void *data)
{
	int r = enter_context();
	if (!r && !function)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	uint64_t id = callback_add(function, data, session.captures == 0);
	r = id ? wire_host_func(stream, id) : session.state == SESSION_LIVE ? CUDA_ERROR_OUT_OF_MEMORY : session_absent();
	return r && id && !callback_drop(id) ? CUDA_SUCCESS : r; /* if it is not there, it has been called, with the error */
}

EXPORT int cuLaunchHostFunc(void *stream, void (*function)(void *), void *data) { return launch_host(stream_arg(stream), function, data); }

EXPORT int cuLaunchHostFunc_ptsz(void *stream, void (*function)(void *), void *data)
{
	return launch_host(stream_per_thread(stream), function, data);
}

static int add_callback(void *handle, void *stream, void (*function)(void *, int, void *), void *data, unsigned flags)
{
	int r = enter_context();
	if (!r && (!function || flags))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && session.captures)
		r = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	struct stream_callback *c = r ? NULL : malloc(sizeof *c);
	if (!r && !c)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r)
		return r;
	*c = (struct stream_callback){function, handle, data};
	r = launch_host(stream, run_stream_callback, c);
	if (r)
		free(c);
	return r;
}

EXPORT int cuStreamAddCallback(void *stream, void (*function)(void *, int, void *), void *data, unsigned int flags)
{
	return add_callback(stream, stream_arg(stream), function, data, flags);
}

EXPORT int cuStreamAddCallback_ptsz(void *stream, void (*function)(void *, int, void *), void *data, unsigned int flags)
{
	return add_callback(stream, stream_per_thread(stream), function, data, flags);
}
