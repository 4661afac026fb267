// SPDX-License-Identifier: Apache-2.0
/*
 * Connections to oriond and orion-relay. Each function returns a stream socket or -1 with the reason in why, of
 * WHY_BYTES, and takes no longer than a few seconds. The sockets close on exec and end, however the peer goes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { WHY_BYTES = 256 };

int dial_unix(const char *path, char *why);
/* The host of this virtual machine. */
int dial_host(unsigned port, char *why);
/* address is IPv4 or IPv6 in digits: nothing is resolved. */
int dial_tcp(const char *address, unsigned port, char *why);

/* Writes the address of the default gateway, where a virtual machine finds its host if it is told nothing else.
 * False if there is none. */
bool default_gateway(char *address, size_t room);
