// SPDX-License-Identifier: Apache-2.0
/* To be loaded before a client: every second time that it rings for its worker, nobody hears it. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t send(int fd, const void *data, size_t n, int flags)
{
	static atomic_uint rung;
	if (n == 1 && rung++ % 2 == 0)
		return 1;
	return syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
}
