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
/* Sends it to the worker with a byte that wakes it. */
bool shared_send(int fd);
