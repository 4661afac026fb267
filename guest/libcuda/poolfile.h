// SPDX-License-Identifier: Apache-2.0
/*
 * Memory of a pool of the host that processes share: a file in memory, of which each process maps the parts that it
 * uses, and its worker as well, both at the address that is one for the program and the GPU. What is exported is the
 * file itself, so a part is named by where it lies in it.
 *
 * The file can grow, but not shrink: nobody who has it can take memory from under another's process. An exporter
 * writes what it likes into it, as natively.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "sharedfile.h"

struct pool_file {
	struct shared_file file; /* offset: where what has not been given out begins */
	bool imported;
};

/* A part of a file, mapped here and by the worker. */
struct pool_part {
	uint64_t base, offset, bytes;
};

/* Makes a file, or takes one that another process has exported. NULL for what is none, or if there is no memory. */
struct pool_file *pool_file_new(void);
struct pool_file *pool_file_import(int fd);
void pool_file_free(struct pool_file *f);
/* A descriptor of the file, for another process. A CUresult. */
int pool_file_export(const struct pool_file *f, int *fd);
/* Maps bytes of the file, a multiple of the page: new ones, or those that another process names. CUresults. */
int pool_file_add(struct pool_file *f, uint64_t bytes, struct pool_part *part);
int pool_file_map(const struct pool_file *f, uint64_t offset, uint64_t bytes, struct pool_part *part);
/* Unmaps a part, and gives its memory back if it is this process's. What is forgotten the worker has not mapped any
 * more. */
void pool_file_unmap(const struct pool_file *f, const struct pool_part *part);
void pool_file_forget(const struct pool_file *f, const struct pool_part *part);
