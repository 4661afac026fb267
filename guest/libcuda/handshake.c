// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "handshake.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "channel.h"
#include "config.h"
#include "generated/calls.h"
#include "generated/results.h"
#include "release.h"
#include "visible.h"

#ifndef WELCOME_TIMEOUT_MS
#define WELCOME_TIMEOUT_MS 60000 /* a worker may have to wake a GPU */
#endif

static void hello(uint8_t *b, const struct config *config, unsigned carrier, const uint8_t *proof)
{
	memset(b, 0, WIRE_HELLO_SIZE);
	put32(b, WIRE_HELLO_MAGIC, WIRE_MAGIC);
	put32(b, WIRE_HELLO_VERSION, WIRE_VERSION);
	put64(b, WIRE_HELLO_SPEC, ORION_SPEC_HASH);
	put32(b, WIRE_HELLO_PID, (uint32_t)getpid());
	put32(b, WIRE_HELLO_VGPUS, (uint32_t)config->vgpus);
	put32(b, WIRE_HELLO_GMEM, config->gmem_mib);
	put32(b, WIRE_HELLO_RATIO, config->ratio);
	put32(b, WIRE_HELLO_CROSS, config->cross_node);
	put32(b, WIRE_HELLO_CARRIER, carrier);
	put64(b, WIRE_HELLO_BASE, WIRE_DEFAULT_BASE);
	uint8_t order[WIRE_MAX_DEVICES];
	int shown = visible_devices(getenv("CUDA_VISIBLE_DEVICES"), config->vgpus, order);
	for (int i = 0; i < shown; i++)
		b[WIRE_HELLO_ORDER + i] = (uint8_t)(order[i] + 1);
	snprintf((char *)b + WIRE_HELLO_PROGRAM, WIRE_PROGRAM_BYTES, "%s", program_invocation_short_name);
	gethostname((char *)b + WIRE_HELLO_HOST, WIRE_HOST_NAME_BYTES - 1);
	snprintf((char *)b + WIRE_HELLO_RELEASE, WIRE_RELEASE_BYTES, "%s", ORION_RELEASE);
	if (proof)
		memcpy(b + WIRE_HELLO_PROOF, proof, WIRE_PROOF_BYTES);
}

/* Waits for more of the answer. However often signals of the program interrupt it, the time runs. */
static int await_more(int fd, uint64_t begin_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;
	do {
		uint64_t waited_ms = (monotonic_ns() - begin_ns) / 1000000;
		n = waited_ms < WELCOME_TIMEOUT_MS ? poll(&p, 1, (int)(WELCOME_TIMEOUT_MS - waited_ms)) : 0;
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Receives the welcome and the region's descriptor, if one comes. */
static int receive(int fd, uint8_t *b, struct welcome *w)
{
	uint64_t begin_ns = monotonic_ns();
	for (size_t have = 0; have < WIRE_HELLO_SIZE;) {
		int n = await_more(fd, begin_ns);
		if (n <= 0) {
			snprintf(w->reason, sizeof w->reason, "wait for oriond's answer: %s", n ? strerror(errno) : "no answer within 60 s; see its log");
			return CUDA_ERROR_SYSTEM_NOT_READY;
		}
		union {
			struct cmsghdr align;
			char room[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec v = {b + have, WIRE_HELLO_SIZE - have};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
		ssize_t got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			snprintf(w->reason, sizeof w->reason, "read oriond's answer: %s", got ? strerror(errno) : "it closed the connection; see its log");
			return CUDA_ERROR_SYSTEM_NOT_READY;
		}
		have += (size_t)got;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && w->region < 0)
			memcpy(&w->region, CMSG_DATA(c), sizeof w->region);
	}
	return CUDA_SUCCESS;
}

static int check(const uint8_t *b, struct welcome *w)
{
	if (get32(b, WIRE_WELCOME_MAGIC) != WIRE_MAGIC) {
		snprintf(w->reason, sizeof w->reason, "what answers is not oriond");
		return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	}
	uint32_t status = get32(b, WIRE_WELCOME_STATUS);
	if (status) {
		snprintf(w->reason, sizeof w->reason, "no vGPU: %.*s", (int)WIRE_WELCOME_MSG_BYTES, (const char *)b + WIRE_WELCOME_MESSAGE);
		return (int)status;
	}
	if (get32(b, WIRE_WELCOME_VERSION) != WIRE_VERSION || get64(b, WIRE_WELCOME_SPEC) != ORION_SPEC_HASH) {
		snprintf(w->reason, sizeof w->reason, "client %s does not match oriond %.*s: install the same release on both sides", ORION_RELEASE,
			 (int)WIRE_RELEASE_BYTES, (const char *)b + WIRE_WELCOME_RELEASE);
		return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	}
	return CUDA_SUCCESS;
}

int handshake(int fd, const struct config *config, unsigned carrier, const uint8_t *proof, struct welcome *w)
{
	uint8_t b[WIRE_HELLO_SIZE];
	*w = (struct welcome){.region = -1};
	hello(b, config, carrier, proof);
	if (send(fd, b, sizeof b, MSG_NOSIGNAL) != (ssize_t)sizeof b) {
		snprintf(w->reason, sizeof w->reason, "greet oriond: %s", strerror(errno));
		return CUDA_ERROR_SYSTEM_NOT_READY;
	}
	int r = receive(fd, b, w);
	if (!r)
		r = check(b, w);
	w->devices = get32(b, WIRE_WELCOME_DEVICES);
	w->base = get64(b, WIRE_WELCOME_BASE);
	w->size = get64(b, WIRE_WELCOME_SIZE);
	w->offset = get64(b, WIRE_WELCOME_OFFSET);
	memcpy(w->session, b + WIRE_WELCOME_SESSION, WIRE_SESSION_BYTES);
	w->session[WIRE_SESSION_BYTES - 1] = 0;
	if (r && w->region >= 0) {
		close(w->region);
		w->region = -1;
	}
	return r;
}
