// SPDX-License-Identifier: Apache-2.0
/*
 * The memory that a virtual machine shares with its host: the ivshmem device that oriond has given it. Its first
 * page says how to reach oriond; the rest is cut into slices, each the region of one process.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "generated/wire.h"

struct ivshmem {
	char folder[512]; /* of the device in sysfs */
	char name[64]; /* its PCI address */
	uint64_t size;
	unsigned port; /* of oriond, for vsock and TCP; 0: none */
	char address[WIRE_DOM_ADDRESS_BYTES]; /* of oriond, by TCP; empty: the default gateway */
	uint8_t nonce[WIRE_NONCE_BYTES];
};

/* Finds oriond's device, and reads its first page. False with the reason in why, of WHY_BYTES. */
bool ivshmem_find(struct ivshmem *d, char *why);
/* Reads the first page anew. */
bool ivshmem_read(struct ivshmem *d, char *why);

struct slice {
	void *base;
	bool weak; /* the mapping is write-combining: order between stores needs fences */
	unsigned write_mbs, read_mbs; /* what was measured, in MB/s */
	const char *file; /* resource2 or resource2_wc */
};

/* Maps size bytes of the device from offset on at base, uncached or write-combining, whichever measures better:
 * what lies in the slice's staging is overwritten. False with the reason in why. */
bool ivshmem_map(const struct ivshmem *d, uint64_t base, uint64_t offset, uint64_t size, struct slice *s, char *why);
