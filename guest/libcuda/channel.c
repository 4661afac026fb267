// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "console.h"
#include "generated/calls.h"
#include "log.h"
#include "release.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { WELCOME_TIMEOUT_MS = 60000 }; /* a worker may have to wake a GPU */

static void put32(uint8_t *b, unsigned at, uint32_t v) { memcpy(b + at, &v, 4); }
static void put64(uint8_t *b, unsigned at, uint64_t v) { memcpy(b + at, &v, 8); }
static uint32_t get32(const uint8_t *b, unsigned at) { uint32_t v; memcpy(&v, b + at, 4); return v; }
static uint64_t get64(const uint8_t *b, unsigned at) { uint64_t v; memcpy(&v, b + at, 8); return v; }

static int connect_daemon(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path) {
		log_line(LOG_ERROR, "the socket's path is too long: %s", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		log_line(LOG_ERROR, "open a socket: %s", strerror(errno));
		return -1;
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	const char *cure = errno == ENOENT || errno == ECONNREFUSED ? "is oriond running? (systemctl start oriond)"
		: errno == EACCES ? "this user may not use it; join the group orion" : "check it with orion-check";
	log_line(LOG_ERROR, "connect to oriond at %s: %s: %s", path, strerror(errno), cure);
	close(fd);
	return -1;
}

static void hello(uint8_t *b, const struct config *config)
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
	put64(b, WIRE_HELLO_BASE, WIRE_DEFAULT_BASE);
	snprintf((char *)b + WIRE_HELLO_PROGRAM, WIRE_PROGRAM_BYTES, "%s", program_invocation_short_name);
	gethostname((char *)b + WIRE_HELLO_HOST, WIRE_HOST_NAME_BYTES - 1);
	snprintf((char *)b + WIRE_HELLO_RELEASE, WIRE_RELEASE_BYTES, "%s", ORION_RELEASE);
}

/* Receives the welcome and the region's descriptor, -1 if none came. */
static int receive(int fd, uint8_t *b, int *region)
{
	*region = -1;
	for (size_t have = 0; have < WIRE_HELLO_SIZE;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = poll(&p, 1, WELCOME_TIMEOUT_MS);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_line(LOG_ERROR, "wait for oriond's answer: %s", n ? strerror(errno) : "no answer within 60 s; see its log");
			return -1;
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
			log_line(LOG_ERROR, "read oriond's answer: %s", got ? strerror(errno) : "it closed the connection; see its log");
			return -1;
		}
		have += (size_t)got;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && *region < 0)
			memcpy(region, CMSG_DATA(c), sizeof *region);
	}
	return 0;
}

static int map_region(int fd, uint64_t base, uint64_t size)
{
	if (fd < 0 || lseek(fd, 0, SEEK_END) < (off_t)size || size < WIRE_MIN_REGION_SIZE) {
		log_line(LOG_ERROR, "oriond sent no usable shared memory");
		return CUDA_ERROR_SYSTEM_NOT_READY;
	}
	void *p = mmap((void *)(uintptr_t)base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
	if (p != (void *)(uintptr_t)base) {
		log_line(LOG_ERROR, "map %llu bytes of shared memory at %#llx: %s", (unsigned long long)size, (unsigned long long)base,
			p == MAP_FAILED ? strerror(errno) : "the kernel is too old to map it there");
		if (p != MAP_FAILED)
			munmap(p, size);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	madvise(p, size, MADV_DONTFORK); /* a child must not write into its parent's session */
	session.base = p;
	session.size = size;
	return CUDA_SUCCESS;
}

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
	session.device_count = (int)devices;
	for (unsigned i = 0; i < devices; i++) {
		const uint8_t *t = h + WIRE_HDR_DEVICE_TABLE + i * WIRE_DEVICE_SIZE;
		struct device *d = &session.devices[i];
		memcpy(d->uuid, t + WIRE_DEV_UUID, 16);
		d->memory = get64(t, WIRE_DEV_MEMORY);
		d->domain = (int)get32(t, WIRE_DEV_DOMAIN);
		d->bus = (int)get32(t, WIRE_DEV_BUS);
		d->slot = (int)get32(t, WIRE_DEV_SLOT);
		snprintf(d->name, sizeof d->name, "%.*s", (int)WIRE_DEV_NAME_BYTES - 1, (const char *)t + WIRE_DEV_NAME);
	}
	return CUDA_SUCCESS;
}

static int check_welcome(const uint8_t *b)
{
	if (get32(b, WIRE_WELCOME_MAGIC) != WIRE_MAGIC) {
		log_line(LOG_ERROR, "what answers on the socket is not oriond");
		return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	}
	uint32_t status = get32(b, WIRE_WELCOME_STATUS);
	if (status) {
		log_line(LOG_ERROR, "no vGPU: %.*s", (int)WIRE_WELCOME_MSG_BYTES, (const char *)b + WIRE_WELCOME_MESSAGE);
		return (int)status;
	}
	if (get32(b, WIRE_WELCOME_VERSION) != WIRE_VERSION || get64(b, WIRE_WELCOME_SPEC) != ORION_SPEC_HASH) {
		log_line(LOG_ERROR, "client %s does not match oriond %.*s: install the same release on both sides", ORION_RELEASE,
			(int)WIRE_RELEASE_BYTES, (const char *)b + WIRE_WELCOME_RELEASE);
		return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	}
	return CUDA_SUCCESS;
}

int channel_open(const struct config *config)
{
	uint8_t b[WIRE_HELLO_SIZE];
	int region, fd = connect_daemon(config->socket);
	if (fd < 0)
		return CUDA_ERROR_NO_DEVICE;
	hello(b, config);
	if (send(fd, b, sizeof b, MSG_NOSIGNAL) != (ssize_t)sizeof b || receive(fd, b, &region)) {
		close(fd);
		return CUDA_ERROR_SYSTEM_NOT_READY;
	}
	int r = check_welcome(b);
	if (!r)
		r = map_region(region, get64(b, WIRE_WELCOME_BASE), get64(b, WIRE_WELCOME_SIZE));
	if (region >= 0)
		close(region);
	if (!r)
		r = read_header(get32(b, WIRE_WELCOME_DEVICES));
	if (r) {
		close(fd);
		return r;
	}
	memcpy(session.id, b + WIRE_WELCOME_SESSION, WIRE_SESSION_BYTES);
	session.id[WIRE_SESSION_BYTES - 1] = 0;
	session.socket = fd;
	session.pid = getpid();
	return CUDA_SUCCESS;
}

void channel_close(void)
{
	close(session.socket);
	session.socket = -1;
}

void channel_ring(void)
{
	char b = 1;
	while (send(session.socket, &b, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
		;
}

bool channel_alive(void)
{
	if (session.state != SESSION_LIVE)
		return false;
	uint32_t ended = atomic_load_explicit(region32(WIRE_STATUS_ENDED), memory_order_acquire);
	if (ended) {
		session_end((int)ended, (const char *)session.base + WIRE_STATUS_MESSAGE);
		return false;
	}
	struct pollfd p = {.fd = session.socket, .events = POLLIN | POLLRDHUP};
	if (poll(&p, 1, 0) > 0) {
		session_end(CUDA_ERROR_DEVICE_UNAVAILABLE, "the worker on the host has ended; see oriond's log");
		return false;
	}
	return true;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool patience_step(struct patience *p)
{
	enum { ROUNDS_BETWEEN_LOOKS = 64, CHECK_EVERY_NS = 2000000, LONGEST_SLEEP_NS = 1000000, MANY_CORES_US = 1000 };
	cpu_relax();
	if (likely(++p->rounds % ROUNDS_BETWEEN_LOOKS))
		return true;
	uint64_t now = now_ns();
	if (!p->start_ns)
		p->start_ns = p->check_ns = now;
	console_drain();
	uint64_t waited = now - p->start_ns;
	if (now - p->check_ns > CHECK_EVERY_NS) {
		p->check_ns = now;
		if (!channel_alive())
			return false;
	}
	if (waited > (uint64_t)session.spin_us * 1000) {
		/* Sleeps in proportion to the wait so far: so much is lost at most, and a long wait costs no CPU. With
		 * cores to spare the host asks for a long spin, as NVIDIA's driver does, and little is lost after. */
		uint64_t sleep = waited / (session.spin_us > MANY_CORES_US ? 64 : 8);
		struct timespec t = {0, (long)(sleep < LONGEST_SLEEP_NS ? sleep : LONGEST_SLEEP_NS)};
		nanosleep(&t, NULL);
		p->rounds = ROUNDS_BETWEEN_LOOKS - 1;
	}
	return true;
}
