// SPDX-License-Identifier: Apache-2.0
/*
 * The ways to a worker, one at a time:
 *
 *	ways unix PATH | tcp ADDRESS PORT | host PORT | gateway
 *	ways find                      the ivshmem device, under ORION_PCI_DIR
 *	ways map BASE OFFSET SIZE      a slice of it
 */
#include "../../dial.h"
#include "../../ivshmem.h"
#include "../../log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void log_line(int level, const char *format, ...) /* rates, which nobody asked for */
{
	(void)level;
	(void)format;
}

static int connected(int fd, const char *why)
{
	if (fd < 0)
		printf("error: %s\n", why);
	else
		puts("connected");
	return 0;
}

static uint64_t number(const char *text) { return strtoull(text, NULL, 0); }

int main(int argc, char **argv)
{
	char why[WHY_BYTES] = "";
	const char *way = argc > 1 ? argv[1] : "";
	if (!strcmp(way, "unix"))
		return connected(dial_unix(argv[2], why), why);
	if (!strcmp(way, "tcp"))
		return connected(dial_tcp(argv[2], (unsigned)number(argv[3]), why), why);
	if (!strcmp(way, "host"))
		return connected(dial_host((unsigned)number(argv[2]), why), why);
	if (!strcmp(way, "gateway")) {
		char address[64];
		puts(default_gateway(address, sizeof address) ? address : "none");
		return 0;
	}
	struct ivshmem d = {.size = 0};
	struct slice s;
	if (!ivshmem_find(&d, why) ||
	    (!strcmp(way, "map") && !ivshmem_map(&d, number(argv[2]), number(argv[3]), number(argv[4]), &s, why))) {
		printf("error: %s\n", why);
		return 0;
	}
	printf("%s size=%#llx port=%u address=%s nonce=%02x%02x", d.name, (unsigned long long)d.size, d.port, d.address, d.nonce[0],
		d.nonce[31]);
	if (!strcmp(way, "map")) {
		uint32_t first;
		memcpy(&first, s.base, sizeof first);
		printf(" base=%#llx first=%#x %s", (unsigned long long)(uintptr_t)s.base, first, s.write_mbs && s.read_mbs ? "measured" : "not measured");
	}
	puts("");
	return 0;
}
