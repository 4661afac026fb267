// SPDX-License-Identifier: Apache-2.0
/*
 * Memory pools of the host, pinned or managed: pieces of the region, as all such memory (hostmem.c), in the order of
 * streams. A pool of the driver would give out memory of the worker's, which the program cannot reach.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* Whether a handle is a pool of the host. */
bool host_pool_is(const void *pool);
/* Allocates from a pool of the host, and frees a range that came from one, in the order of a stream. CUresults. */
int host_pool_alloc(uint64_t *address, uint64_t size, void *pool, void *stream);
int host_pool_free(uint64_t address, void *stream);
/* Pools and their memory between processes: the file of a pool, and what a CUmemPoolPtrExportData says. CUresults, but
 * host_pool_import gives false for a file that is of no such pool. */
int host_pool_export(void *pool, int *fd);
bool host_pool_import(void **pool, int fd, int *result);
int host_pool_export_pointer(const struct range *range, void *data);
int host_pool_import_pointer(uint64_t *address, void *pool, const void *data);
/* The pool that a range is of. */
void *host_pool_of(const struct range *range);
/* All that the pools have is about to end, and has ended, with the first device's primary context. */
void host_pools_ending(struct object *context);
void host_pools_reset(void);
