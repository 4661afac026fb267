// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "state.h"

#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "config.h"
#include "log.h"
#include "thread.h"

struct session session = {.socket = -1};
__thread struct thread thread __attribute__((tls_model("initial-exec")));

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

int session_open(void)
{
	if (likely(session.state == SESSION_LIVE))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&opening);
	int r = CUDA_SUCCESS;
	if (session.state == SESSION_NONE) {
		struct config config;
		char message[512];
		if (!config_load(&config, message, sizeof message)) {
			log_line(LOG_ERROR, "%s", message);
			r = CUDA_ERROR_NO_DEVICE;
		} else {
			r = channel_open(&config);
		}
		session.result = r;
		session.state = r ? SESSION_REFUSED : SESSION_LIVE;
		if (!r)
			log_line(LOG_INFO, "session %s: %d vGPU(s), first %s", session.id, session.device_count, session.devices[0].name);
	} else if (session.state != SESSION_LIVE) {
		r = session_absent();
	}
	pthread_mutex_unlock(&opening);
	return r;
}

int session_absent(void)
{
	switch ((int)session.state) {
	case SESSION_ENDED:
	case SESSION_REFUSED:
		return session.result;
	default:
		return CUDA_ERROR_NOT_INITIALIZED;
	}
}

void session_end(int result, const char *reason)
{
	int live = SESSION_LIVE;
	session.result = result;
	if (atomic_compare_exchange_strong(&session.state, &live, SESSION_ENDED))
		log_line(LOG_ERROR, "the session has ended: %.*s", (int)WIRE_STATUS_MESSAGE_BYTES, reason);
}

/* A child has none of its parent's session: not the region, which is not inherited, nor the socket, which
 * must close when the parent ends. */
static void after_fork_in_child(void)
{
	if (session.state == SESSION_NONE || session.state == SESSION_REFUSED)
		return;
	/* A parent that has only asked NVML has not initialised CUDA: its child may. */
	session.state = session.initialised ? SESSION_FORKED : SESSION_NONE;
	if (session.socket >= 0)
		close(session.socket);
	session.socket = -1;
	memset(&thread, 0, sizeof thread);
}

__attribute__((constructor)) static void loaded(void) { pthread_atfork(NULL, NULL, after_fork_in_child); }

int not_supported(const char *function, int *once)
{
	if (!__atomic_exchange_n(once, 1, __ATOMIC_RELAXED))
		log_line(LOG_WARN, "%s is not supported on a vGPU", function);
	return CUDA_ERROR_NOT_SUPPORTED;
}
