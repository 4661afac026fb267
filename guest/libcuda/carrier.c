// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "carrier.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "dial.h"
#include "generated/results.h"
#include "ivshmem.h"
#include "log.h"
#include "mapping.h"

enum { PASSED_OVER = -1 };

/* By a unix socket, with the region's descriptor in the welcome. */
static int by_socket(const struct config *config, const char *path, const char *who, struct link *l, char *why)
{
	char reason[WHY_BYTES];
	l->socket = dial_unix(path, reason);
	if (l->socket < 0) {
		snprintf(why, 2 * WHY_BYTES, "%s at %s: %s", who, path, reason);
		return PASSED_OVER;
	}
	l->carrier = WIRE_CARRIER_MEMORY;
	int r = handshake(l->socket, config, l->carrier, NULL, &l->welcome);
	if (r)
		return r;
	l->base = map_region(l->welcome.region, l->welcome.base, 0, l->welcome.size, l->welcome.reason);
	close(l->welcome.region);
	snprintf(l->by, sizeof l->by, "%s at %s", who, path);
	return l->base ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static int by_oriond(const struct config *config, struct link *l, char *why)
{
	return by_socket(config, config->socket, "oriond", l, why);
}

static int by_relay(const struct config *config, struct link *l, char *why)
{
	return by_socket(config, config->relay_socket, "orion-relay", l, why);
}

/* How oriond on the host is reached. What has failed once is not tried again. */
struct route {
	bool no_vsock;
	char by_vsock[WHY_BYTES], by_tcp[WHY_BYTES];
	char address[WIRE_DOM_ADDRESS_BYTES];
};

static int dial_oriond(const struct ivshmem *d, struct route *way)
{
	int fd = way->no_vsock ? -1 : dial_host(d->port, way->by_vsock);
	if (fd >= 0) {
		way->address[0] = 0;
		return fd;
	}
	way->no_vsock = true;
	if (d->address[0])
		memcpy(way->address, d->address, sizeof way->address);
	else if (!default_gateway(way->address, sizeof way->address)) {
		snprintf(way->by_tcp, sizeof way->by_tcp, "no address of the host is known");
		return -1;
	}
	return dial_tcp(way->address, d->port, way->by_tcp);
}

static void pause_before(int attempt)
{
	long ms = attempt < 8 ? 1l << attempt : 200;
	struct timespec t = {0, (ms * 1000 + getpid() % 997) * 1000}; /* not in step with others */
	nanosleep(&t, NULL);
}

/* Claims a slice with the nonce in the device's first page. Whoever is faster makes it stale. */
static int claim(const struct config *config, struct ivshmem *d, struct route *way, struct link *l, char *why)
{
	enum { ATTEMPTS = 16 };
	for (int i = 0;; i++) {
		l->socket = dial_oriond(d, way);
		if (l->socket < 0) {
			snprintf(why, 2 * WHY_BYTES, "oriond on the host, port %u: by vsock: %.100s; by TCP%s%.64s: %.100s", d->port, way->by_vsock,
				 way->address[0] ? " at " : "", way->address, way->by_tcp);
			return PASSED_OVER;
		}
		int r = handshake(l->socket, config, WIRE_CARRIER_DEVICE, d->nonce, &l->welcome);
		if (r != CUDA_ERROR_NOT_READY || i == ATTEMPTS)
			return r;
		close(l->socket);
		l->socket = -1;
		pause_before(i);
		if (!ivshmem_read(d, why))
			return PASSED_OVER;
	}
}

static int by_device(const struct config *config, struct link *l, char *why)
{
	struct ivshmem d = {.size = 0};
	struct route way = {.no_vsock = false};
	struct slice s;
	char reason[WHY_BYTES];
	if (!ivshmem_find(&d, reason)) {
		snprintf(why, 2 * WHY_BYTES, "an ivshmem device: %s", reason);
		return PASSED_OVER;
	}
	if (!d.port) {
		snprintf(why, 2 * WHY_BYTES, "the ivshmem device %s: oriond on the host is not running", d.name);
		return PASSED_OVER;
	}
	int r = claim(config, &d, &way, l, why);
	if (r == CUDA_ERROR_NOT_SUPPORTED) { /* no room in the device, say: another way may do */
		snprintf(why, 2 * WHY_BYTES, "the ivshmem device %s: %.300s", d.name, l->welcome.reason);
		return PASSED_OVER;
	}
	if (r)
		return r;
	if (!ivshmem_map(&d, l->welcome.base, l->welcome.offset, l->welcome.size, &s, l->welcome.reason))
		return CUDA_ERROR_OUT_OF_MEMORY;
	l->carrier = WIRE_CARRIER_DEVICE;
	l->base = s.base;
	l->weak = s.weak;
	snprintf(l->by, sizeof l->by, "ivshmem device %s (%s: %u MB/s written, %u read), oriond by %s%s", d.name, s.file, s.write_mbs, s.read_mbs,
		 way.address[0] ? "TCP at " : "vsock", way.address);
	return CUDA_SUCCESS;
}

int carrier_open(const struct config *config, struct link *l)
{
	static int (*const ways[])(const struct config *, struct link *, char *) = {by_oriond, by_device, by_relay};
	enum { WAYS = sizeof ways / sizeof *ways };
	char why[WAYS][2 * WHY_BYTES];
	bool answered = false;
	for (int i = 0; i < WAYS; i++) {
		*l = (struct link){.socket = -1, .welcome.region = -1};
		int r = ways[i](config, l, why[i]);
		if (!r)
			return CUDA_SUCCESS;
		answered |= l->welcome.reason[0] != 0;
		if (l->socket >= 0)
			close(l->socket);
		l->socket = -1;
		if (r != PASSED_OVER) {
			log_line(LOG_ERROR, "%s", l->welcome.reason);
			return r;
		}
		log_line(LOG_DEBUG, "no way to a GPU by %s", why[i]);
	}
	log_line(LOG_ERROR, "no way to a GPU. Tried: %s; %s; %s. %sorion-check tells what is missing", why[0], why[1], why[2],
		 answered ? "" : "On the host of the GPUs, is oriond running? (systemctl start oriond) ");
	return CUDA_ERROR_NO_DEVICE;
}
