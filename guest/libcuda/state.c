// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "state.h"

#include <stdlib.h>
#include <time.h>

#include "call.h"
#include "cancel.h"
#include "channel.h"
#include "config.h"
#include "log.h"
#include "thread.h"
#include "visible.h"

struct session session = {.socket = -1};
__thread struct thread thread __attribute__((tls_model("initial-exec")));

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static uint64_t released_ns; /* when the last session was given up, 0 for never */

/* A vGPU that has just been given up comes back to the pool when its worker has ended. What asks for another at once, as
 * programs do that ask NVML first, may need that very one. */
static void await_release(void)
{
	enum { RELEASE_NS = 200000000 };
	uint64_t since = monotonic_ns() - released_ns;
	if (!released_ns || since >= RELEASE_NS)
		return;
	struct timespec rest = {0, (long)(RELEASE_NS - since)};
	nanosleep(&rest, NULL);
}

/* The caller holds the lock. */
static int open_session(void)
{
	int r = CUDA_SUCCESS, cancel = cancel_hold();
	if (session.state == SESSION_NONE) {
		struct config config;
		char message[512];
		if (!config_load(&config, message, sizeof message)) {
			log_line(LOG_ERROR, "%s", message);
			r = CUDA_ERROR_NO_DEVICE;
		} else {
			await_release();
			r = channel_open(&config);
		}
		session.result = r;
		session.state = r ? SESSION_REFUSED : SESSION_LIVE;
		if (!r)
			log_line(LOG_INFO, "session %s: %d vGPU(s), first %s", session.id, session.granted, session.devices[0].name);
	} else if (session.state != SESSION_LIVE && session.state != SESSION_LEFT) {
		r = session_absent();
	}
	cancel_allow(cancel);
	return r;
}

int session_open(void)
{
	if (likely(session.state == SESSION_LIVE))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&opening);
	int r = open_session();
	pthread_mutex_unlock(&opening);
	return r;
}

/* Leaves those vGPUs that the program wants to see. */
static int show_devices(void)
{
	uint8_t order[WIRE_MAX_DEVICES];
	const char *list = getenv("CUDA_VISIBLE_DEVICES");
	int shown = visible_devices(list, session.granted, order);
	if (shown == VISIBLE_UUIDS)
		log_line(LOG_WARN, "CUDA_VISIBLE_DEVICES=%s has UUIDs, and which GPUs there are is known only with the lease: name vGPUs by number. All are shown", list);
	session.device_count = shown == VISIBLE_UUIDS ? session.granted : shown;
	bool ordered = true;
	for (int i = 0; i < shown; i++)
		ordered = ordered && session.devices[i].place == order[i];
	if (!ordered) /* the session was opened with another list */
		log_line(LOG_WARN, "CUDA_VISIBLE_DEVICES=%s was set after NVML was asked: vGPUs are shown in another order", list);
	if (!session.device_count && !visible_none())
		log_line(LOG_WARN, "CUDA_VISIBLE_DEVICES=%s names none of this program's %d vGPU(s)", list, session.granted);
	return session.device_count ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

/*
 * The program is in exit(). As with NVIDIA's driver, CUDA_ERROR_DEINITIALIZED is what it gets from here on: so the runtime, which
 * takes itself down after this, waits for no context to end.
 */
static void leave(void)
{
	int live = SESSION_LIVE;
	atomic_compare_exchange_strong(&session.state, &live, SESSION_LEFT);
}

int session_initialise(void)
{
	if (session.state == SESSION_LEFT)
		return CUDA_ERROR_DEINITIALIZED;
	if (session.state == SESSION_NONE && visible_none())
		return CUDA_ERROR_NO_DEVICE;
	pthread_mutex_lock(&opening);
	int r = open_session();
	if (!r && !session.initialised)
		r = show_devices();
	if (!r && !session.initialised)
		atexit(leave);
	session.initialised = session.initialised || !r;
	pthread_mutex_unlock(&opening);
	return r;
}

/* Forgets a session in which nothing was made, only asked. */
static void forget(void)
{
	call_restart();
	memset(session.devices, 0, sizeof session.devices);
	session.granted = session.device_count = 0;
	session.async_seen = 0;
}

void session_release(void)
{
	int live = SESSION_LIVE;
	pthread_mutex_lock(&opening);
	if (!session.initialised && atomic_compare_exchange_strong(&session.state, &live, SESSION_NONE)) {
		channel_close();
		forget();
		released_ns = monotonic_ns();
	}
	pthread_mutex_unlock(&opening);
}

int session_absent(void)
{
	switch ((int)session.state) {
	case SESSION_ENDED:
	case SESSION_REFUSED:
		return session.result;
	case SESSION_LEFT:
		return CUDA_ERROR_DEINITIALIZED;
	default:
		return CUDA_ERROR_NOT_INITIALIZED;
	}
}

void session_end(int result, const char *reason)
{
	int live = SESSION_LIVE, left = SESSION_LEFT;
	session.result = result;
	atomic_compare_exchange_strong(&session.state, &left, SESSION_ENDED); /* no news for a program that ends */
	if (atomic_compare_exchange_strong(&session.state, &live, SESSION_ENDED))
		log_line(LOG_ERROR, "the session has ended: %.*s", (int)WIRE_STATUS_MESSAGE_BYTES, reason);
}

/* A child has none of its parent's session: not the region, which is not inherited, nor the socket. */
static void after_fork_in_child(void)
{
	pthread_mutex_init(&opening, NULL); /* whoever held it, as while a session opens, is not there */
	channel_forked();
	if (session.state == SESSION_NONE || session.state == SESSION_REFUSED)
		return;
	if (session.initialised) {
		session.state = SESSION_FORKED;
	} else { /* a parent that has only asked NVML has not initialised CUDA: its child may */
		session.state = SESSION_NONE;
		forget();
	}
	memset(&thread, 0, sizeof thread);
}

__attribute__((constructor)) static void loaded(void) { pthread_atfork(NULL, NULL, after_fork_in_child); }

int not_supported(const char *function, int *once)
{
	if (!__atomic_exchange_n(once, 1, __ATOMIC_RELAXED))
		log_line(LOG_WARN, "%s is not supported on a vGPU", function);
	return CUDA_ERROR_NOT_SUPPORTED;
}
