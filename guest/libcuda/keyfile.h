// SPDX-License-Identifier: Apache-2.0
/* Reads the plain subset of INI that Orion's configuration files are written in. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* One known key. set stores the value, or returns what is wanted instead; NULL says that all is well. */
struct key {
	const char *section, *name;
	const char *(*set)(void *into, const char *value);
};

/*
 * Reads a file into the object that the keys' setters know. An optional file may be absent, but not
 * unreadable. Returns false with file, line, key and cure in message.
 */
bool keyfile_read(const char *path, bool optional, const struct key *keys, size_t count, void *into, char *message,
		  size_t room);
