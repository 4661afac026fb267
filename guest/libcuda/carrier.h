// SPDX-License-Identifier: Apache-2.0
/*
 * The ways to a worker, in the order in which they are tried: oriond on this host, the memory that this virtual
 * machine shares with its host, orion-relay, which carries commands and memory to another host.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "handshake.h"

struct config;

struct link {
	struct welcome welcome;
	int socket;
	void *base; /* the mapped region */
	bool weak; /* see struct slice */
	unsigned carrier;
	char by[192]; /* the way taken, in words */
};

/* Opens the first way that there is. A CUresult; the reason of a failure has been logged. A way that is not there
 * is passed over; one on which oriond refuses the session is the last. */
int carrier_open(const struct config *config, struct link *l);
