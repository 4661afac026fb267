// SPDX-License-Identifier: Apache-2.0
/* Memory that the program shares with other processes, and the file behind it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct shared_file {
	int fd; /* the caller's to close */
	uint64_t device, inode;
	uint64_t offset; /* of the first page in it */
};

/* Whether pages are one file's, shared, readable and writable. */
bool shared_find(uint64_t from, uint64_t to, struct shared_file *f);
/* Finds the first part of [*from, to) that has the pages of a file that it would have if base had the file's first. False if
 * there is none. */
bool shared_part(const struct shared_file *f, uint64_t base, uint64_t *from, uint64_t to, uint64_t *end);
/* Opens that file: by name, or by a descriptor of this process that is still there. False if neither is. */
bool shared_open(uint64_t from, uint64_t to, struct shared_file *f);
/* Describes an open file, and says whether a descriptor is that file's still. */
bool shared_describe(int fd, struct shared_file *f);
bool shared_is(int fd, const struct shared_file *f);
/* Sends the file to the worker, which maps bytes of it from its offset on, at the given address if that is free there, and
 * makes them pinned memory: where it has mapped them, and their device address. A CUresult. */
int shared_map(const struct shared_file *f, uint64_t at, uint64_t bytes, uint64_t *host, uint64_t *device);
