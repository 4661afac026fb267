// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_S = 2, ATTEMPTS = 3 };

/* As linux/vm_sockets.h has it since Linux 3.9, whose headers a system need not have. */
enum { VSOCK_FAMILY = 40, VSOCK_HOST = 2 };
struct vsock_address {
	unsigned short family, reserved;
	unsigned port, cid;
	unsigned char zero[4];
};

/* Signals of the program may interrupt a connect, which then goes on. */
static int connect_bounded(int family, const void *address, socklen_t n, char *why)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		snprintf(why, WHY_BYTES, "%s", strerror(errno));
		return -1;
	}
	struct timeval t = {CONNECT_TIMEOUT_S, 0};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
	int failed = EINTR;
	for (int i = 0; failed == EINTR && i < ATTEMPTS; i++)
		failed = connect(fd, address, n) && errno != EISCONN ? errno : 0;
	if (!failed)
		return fd;
	if (failed == EINPROGRESS || failed == EAGAIN)
		failed = ETIMEDOUT;
	snprintf(why, WHY_BYTES, "%s", strerror(failed));
	close(fd);
	errno = failed;
	return -1;
}

int dial_unix(const char *path, char *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path) {
		snprintf(why, WHY_BYTES, "the path is too long for a socket");
		return -1;
	}
	strcpy(address.sun_path, path);
	int fd = connect_bounded(AF_UNIX, &address, sizeof address, why);
	if (fd < 0 && errno == EACCES)
		snprintf(why, WHY_BYTES, "%s: this user may not use it; join the group orion", strerror(errno));
	return fd;
}

int dial_host(unsigned port, char *why)
{
	struct vsock_address address = {.family = VSOCK_FAMILY, .port = port, .cid = VSOCK_HOST};
	return connect_bounded(VSOCK_FAMILY, &address, sizeof address, why);
}

/* A host that has vanished is noticed within 20 s; bytes that wake the worker do not wait for company. */
static void keep(int fd)
{
	enum { IDLE_S = 5, INTERVAL_S = 3, PROBES = 5, USER_TIMEOUT_MS = 20000 };
	static const int options[][3] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, INTERVAL_S},
		{IPPROTO_TCP, TCP_KEEPCNT, PROBES},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
		{IPPROTO_TCP, TCP_NODELAY, 1},
	};
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		setsockopt(fd, options[i][0], options[i][1], &options[i][2], sizeof(int));
}

int dial_tcp(const char *address, unsigned port, char *why)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	int fd;
	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
		fd = connect_bounded(AF_INET, &v4, sizeof v4, why);
	} else if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
		fd = connect_bounded(AF_INET6, &v6, sizeof v6, why);
	} else {
		snprintf(why, WHY_BYTES, "it is not an IP address");
		return -1;
	}
	if (fd >= 0)
		keep(fd);
	return fd;
}

/* Reads a hexadecimal field and skips the white space behind it. strtoul would tie the library to new versions of
 * glibc. */
static const char *hex_field(const char *p, uint32_t *v)
{
	*v = 0;
	for (; (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'F'); p++)
		*v = *v << 4 | (uint32_t)(*p <= '9' ? *p - '0' : *p - 'A' + 10);
	return p + strspn(p, "\t ");
}

bool default_gateway(char *address, size_t room)
{
	enum { GATEWAY = 2 };
	FILE *f = fopen("/proc/net/route", "re"); /* interface, destination, gateway, flags, ... */
	char line[512];
	bool found = false;
	while (f && !found && fgets(line, sizeof line, f)) {
		uint32_t destination, gateway, flags;
		const char *p = line + strcspn(line, "\t ");
		p += strspn(p, "\t ");
		p = hex_field(hex_field(p, &destination), &gateway);
		hex_field(p, &flags);
		struct in_addr a = {gateway}; /* as it lies in memory */
		found = !destination && gateway && flags & GATEWAY && inet_ntop(AF_INET, &a, address, (socklen_t)room);
	}
	if (f)
		fclose(f);
	return found;
}
