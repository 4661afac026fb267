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
/* Opens that file: by name, or by a descriptor of this process that is still there. False if neither is. */
bool shared_open(uint64_t from, uint64_t to, struct shared_file *f);
/* Sends it to the worker with a byte that wakes it. */
bool shared_send(int fd);
