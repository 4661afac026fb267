// SPDX-License-Identifier: Apache-2.0
/*
 * What a program has said of managed memory: advice, and where it was prefetched to. Managed memory is pinned
 * here and stays where it is, so that advice changes nothing but the answers to questions about it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct location {
	int32_t type, id; /* a CUmemLocation */
};

enum { LOCATION_NONE, LOCATION_DEVICE, LOCATION_HOST, LOCATION_NUMA, LOCATION_NUMA_CURRENT };

struct advice {
	uint64_t accessed_by; /* a bit for each device */
	struct location preferred, prefetched;
	uint8_t read_mostly, accessed_by_host;
};

/* Changes the advice of whole pages around a range by a function. False when out of memory. */
bool advice_change(uint64_t base, uint64_t size, void (*change)(struct advice *a, const void *how), const void *how);
/* Ends read duplication, of all of the stretch of pages that a range has a part in: NVIDIA's driver does not keep it for
 * the rest. */
void advice_unset_read_mostly(uint64_t base, uint64_t size);
/* What holds for all of a range. */
struct advice advice_common(uint64_t base, uint64_t size);
/* Forgets the advice of a range. */
void advice_forget(uint64_t base, uint64_t size);
