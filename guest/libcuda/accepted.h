// SPDX-License-Identifier: Apache-2.0
/*
 * Which launches the driver has accepted. It refuses some that are not checked here, for the size of a cluster, say, and
 * programs that try configurations one after the other want to hear so from the launch. So a launch is waited for, until
 * the driver has taken it from the ring, if none like it has been accepted before.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct launch;

/* Of a function. Threads may read and write it at once: at worst a launch is waited for that need not be. */
struct accepted {
	_Atomic uint64_t like[4];
	_Atomic uint32_t noted;
};

/* Whether the driver accepts a launch because it has accepted one with no fewer threads a block, no less dynamic shared
 * memory and the same attributes. These are CUlaunchAttribute entries. */
bool accepted_like(const struct launch *l, const uint8_t *attributes, uint64_t count);
/* Notes that it has accepted a launch. */
void accepted_note(const struct launch *l, const uint8_t *attributes, uint64_t count);
/* Forgets it all: something has changed. */
void accepted_forget(struct accepted *a);
