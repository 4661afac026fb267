// SPDX-License-Identifier: Apache-2.0
/* What pools of the host are made of: for hostpool.c, which gives out their memory, and poolshare.c. */
#pragma once
#include <pthread.h>

#include "advice.h"
#include "hostpool.h"
#include "poolfile.h"

enum { POOL_PINNED = 1 }; /* CU_MEM_ALLOCATION_TYPE_PINNED */

/* Memory of the region, or of the pool's file, that a pool has, in use or not. */
struct pool_block {
	struct host_pool *pool;
	uint64_t base, device_address, room;
	struct pool_part part; /* of the file */
	uint64_t size; /* in use, 0 for none */
	void *event, *stream; /* of the latest free, until it is known to be complete */
	struct pool_block *next;
};

struct host_pool {
	struct object *handle; /* NULL once destroyed: it goes with its last block */
	bool managed;
	struct pool_file *file; /* of a pool that processes share */
	struct location place; /* of managed memory, the preferred one */
	uint64_t max, threshold, used, used_high, reserved, reserved_high;
	uint32_t reuse[3];
	struct pool_block *blocks;
	struct host_pool *next;
};

/* Held while pools and blocks are looked at or changed. */
extern pthread_mutex_t host_pools_lock;

/* The pool of a handle, NULL if it is none of the host. */
struct host_pool *host_pool_get(const void *handle);
/* Makes a pool, whose file, if it has one, is its own to free. A CUresult. */
int host_pool_new(void **handle, uint32_t type, struct location place, uint64_t max, struct pool_file *file);
/* Whether this session can have pools that processes share. A CUresult. */
int host_pool_file_check(void);
/* Gives a new block to its pool, and puts one to use by the current context. The caller holds the lock. A CUresult. */
void pool_block_add(struct pool_block *b);
int pool_block_use(struct pool_block *b, uint64_t size);
