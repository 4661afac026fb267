// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "cancel.h"
#include "carrier.h"
#include "config.h"
#include "console.h"
#include "generated/calls.h"
#include "log.h"
#include "release.h"

static _Atomic int lost; /* the socket's error: the kernel tells it once */
static struct link way = {.socket = -1}; /* while a session opens */

/* Takes over what the header tells of the driver and the devices. */
static int read_header(unsigned devices)
{
	const uint8_t *h = session.base;
	if (get32(h, WIRE_HDR_MAGIC) != WIRE_MAGIC || devices < 1 || devices > WIRE_MAX_DEVICES) {
		log_line(LOG_ERROR, "the session's shared memory has no header; oriond and client do not match");
		return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	}
	session.driver_version = (int)get32(h, WIRE_HDR_DRIVER);
	if (session.driver_version > ORION_DRIVER_VERSION)
		session.driver_version = ORION_DRIVER_VERSION;
	session.spin_us = get32(h, WIRE_HDR_SPIN);
	session.stage = get64(h, WIRE_HDR_STAGE);
	session.heap = WIRE_STAGE_OFFSET + session.stage;
	if (session.stage % WIRE_PAGE_SIZE || session.stage < WIRE_MIN_REGION_SIZE / 8 || session.stage > session.size - WIRE_STAGE_OFFSET) {
		log_line(LOG_ERROR, "the session's shared memory has no staging; oriond and client do not match");
		return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	}
	session.granted = session.device_count = (int)devices;
	for (unsigned i = 0; i < devices; i++) {
		const uint8_t *t = h + WIRE_HDR_DEVICE_TABLE + i * WIRE_DEVICE_SIZE;
		struct device *d = &session.devices[i];
		memcpy(d->uuid, t + WIRE_DEV_UUID, 16);
		d->memory = get64(t, WIRE_DEV_MEMORY);
		d->place = (int)get32(t, WIRE_DEV_PLACE);
		d->domain = (int)get32(t, WIRE_DEV_DOMAIN);
		d->bus = (int)get32(t, WIRE_DEV_BUS);
		d->slot = (int)get32(t, WIRE_DEV_SLOT);
		if (d->place < 0 || d->place >= (int)devices) {
			log_line(LOG_ERROR, "the session's vGPUs are not numbered; oriond and client do not match");
			return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
		}
		snprintf(d->name, sizeof d->name, "%.*s", (int)WIRE_DEV_NAME_BYTES - 1, (const char *)t + WIRE_DEV_NAME);
	}
	return CUDA_SUCCESS;
}

int channel_open(const struct config *config)
{
	int r = carrier_open(config, &way);
	if (r)
		return r;
	session.base = way.base;
	session.size = way.welcome.size;
	session.weak = way.weak;
	r = read_header(way.welcome.devices);
	if (r) {
		munmap(way.base, way.welcome.size);
		close(way.socket);
		way.socket = -1;
		return r;
	}
	memcpy(session.id, way.welcome.session, sizeof session.id);
	session.socket = way.socket;
	way.socket = -1;
	session.pid = getpid();
	lost = 0;
	log_line(LOG_INFO, "session %s by %s", session.id, way.by);
	return CUDA_SUCCESS;
}

void channel_forked(void)
{
	if (way.socket >= 0)
		close(way.socket);
	if (session.socket >= 0 && session.socket != way.socket)
		close(session.socket);
	way.socket = session.socket = -1;
}

void channel_close(void)
{
	munmap(session.base, session.size);
	close(session.socket);
	session.socket = -1;
}

void channel_ring(void)
{
	char b = 1;
	int cancel = cancel_hold();
	while (send(session.socket, &b, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EPIPE)
			lost = errno;
		break;
	}
	cancel_allow(cancel);
}

/* Rings again where the worker has not begun with the next command for a while: it may be asleep. Of the order of a store
 * and a load, which decides whether a sleeper is rung for (see publish), a virtual machine's emulated processor makes
 * nothing when it is its only one. To a worker that is busy the byte means nothing. */
static void ring_again(void)
{
	enum { AFTER_NS = 100000000 };
	static _Atomic uint64_t seen, since_ns;
	uint64_t head = atomic_load_explicit(region64(WIRE_RING_HEAD), memory_order_relaxed);
	if (head == atomic_load_explicit(region64(WIRE_RING_TAIL), memory_order_relaxed))
		return;
	uint64_t now = monotonic_ns();
	if (head != seen) {
		seen = head;
		since_ns = now;
	} else if (now - since_ns > AFTER_NS) {
		since_ns = now;
		channel_ring();
	}
}

static bool look(void)
{
	if (session.state != SESSION_LIVE && session.state != SESSION_LEFT)
		return false;
	uint32_t ended = atomic_load_explicit(region32(WIRE_STATUS_ENDED), memory_order_acquire);
	if (ended) {
		session_end((int)ended, (const char *)session.base + WIRE_STATUS_MESSAGE);
		return false;
	}
	struct pollfd p = {.fd = session.socket, .events = POLLIN | POLLRDHUP};
	if (poll(&p, 1, 0) > 0) {
		int error = 0;
		socklen_t n = sizeof error;
		char reason[128] = "the worker on the host has ended; see oriond's log";
		if (p.revents & POLLERR && !getsockopt(session.socket, SOL_SOCKET, SO_ERROR, &error, &n) && error)
			lost = error;
		if (lost)
			snprintf(reason, sizeof reason, "the connection to the host is lost: %s", strerror(lost));
		session_end(CUDA_ERROR_DEVICE_UNAVAILABLE, reason);
		return false;
	}
	ring_again();
	return true;
}

bool channel_alive(void)
{
	int cancel = cancel_hold();
	bool alive = look();
	cancel_allow(cancel);
	return alive;
}

uint64_t monotonic_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool patience_step(struct patience *p)
{
	enum { ROUNDS_BETWEEN_LOOKS = 64, BEAT_AFTER_NS = 200000, CHECK_EVERY_NS = 2000000, LONGEST_SLEEP_NS = 1000000 };
	cpu_relax();
	if (likely(++p->rounds % ROUNDS_BETWEEN_LOOKS))
		return true;
	uint64_t now = monotonic_ns();
	if (!p->start_ns)
		p->start_ns = p->check_ns = now;
	console_drain();
	uint64_t waited = now - p->start_ns;
	if (now - p->check_ns > CHECK_EVERY_NS) {
		p->check_ns = now;
		if (!channel_alive())
			return false;
	}
	if (waited > BEAT_AFTER_NS && many_cores()) /* so that the worker is awake when the wait is over */
		atomic_store_explicit(region32(WIRE_RING_BEAT), (uint32_t)(now >> 10), memory_order_relaxed);
	if (waited > (uint64_t)session.spin_us * 1000) {
		/* Sleeps in proportion to the wait so far: so much is lost at most, and a long wait costs no CPU. With
		 * cores to spare the host asks for a long spin, as NVIDIA's driver does, and little is lost after. */
		uint64_t sleep = waited / (many_cores() ? 64 : 8);
		struct timespec t = {0, (long)(sleep < LONGEST_SLEEP_NS ? sleep : LONGEST_SLEEP_NS)};
		int cancel = cancel_hold();
		nanosleep(&t, NULL);
		cancel_allow(cancel);
		p->rounds = ROUNDS_BETWEEN_LOOKS - 1;
	}
	return true;
}
