// SPDX-License-Identifier: Apache-2.0
/* The two messages that open a session: hello, and oriond's welcome or refusal. */
#pragma once
#include <stdint.h>

#include "generated/wire.h"

struct config;

struct welcome {
	unsigned devices;
	uint64_t base, size, offset; /* of the region; offset: in the device, if it comes with one */
	int region; /* descriptor, -1 if none came; the caller closes it */
	char session[WIRE_SESSION_BYTES];
	char reason[WIRE_WELCOME_MSG_BYTES + 128]; /* of a failure, in words */
};

/* Greets on a connected socket. proof is NULL or of WIRE_PROOF_BYTES. A CUresult; 0 with everything in w. */
int handshake(int fd, const struct config *config, unsigned carrier, const uint8_t *proof, struct welcome *w);
