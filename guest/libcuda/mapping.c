// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mapping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "dial.h"
#include "generated/wire.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

void *map_region(int fd, uint64_t base, uint64_t offset, uint64_t size, char *why)
{
	if (size < WIRE_MIN_REGION_SIZE || base % WIRE_PAGE_SIZE) {
		snprintf(why, WHY_BYTES, "oriond offers %llu bytes of shared memory at %#llx, which are of no use", (unsigned long long)size,
			 (unsigned long long)base);
		return NULL;
	}
	/* Kernels before 4.17 take the address for a hint. */
	void *want = (void *)(uintptr_t)base;
	void *p = mmap(want, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, (off_t)offset);
	if (p == want) {
		madvise(p, size, MADV_DONTFORK); /* a child must not write into its parent's session */
		return p;
	}
	snprintf(why, WHY_BYTES, "map %llu bytes of shared memory at %#llx: %s", (unsigned long long)size, (unsigned long long)base,
		 p == MAP_FAILED ? strerror(errno) : "something else lies there");
	if (p != MAP_FAILED)
		munmap(p, size);
	return NULL;
}
