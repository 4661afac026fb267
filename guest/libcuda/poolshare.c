// SPDX-License-Identifier: Apache-2.0
/* Pools of the host between processes: the file of a pool is passed on, and its memory named by where it lies there. */
#include <stdlib.h>

#include "channel.h"
#include "log.h"
#include "object.h"
#include "poolblock.h"
#include "state.h"

enum { PAGE = 4096 };

int host_pool_file_check(void)
{
	if (*region32(WIRE_HDR_CARRIER) == WIRE_CARRIER_MEMORY)
		return CUDA_SUCCESS;
	log_line(LOG_WARN, "a memory pool of the host for other processes: there is none where the GPU's host is another machine");
	return CUDA_ERROR_NOT_SUPPORTED;
}

int host_pool_export(void *pool, int *fd)
{
	pthread_mutex_lock(&host_pools_lock);
	struct host_pool *p = host_pool_get(pool);
	int r = p && p->file && !p->file->imported ? pool_file_export(p->file, fd) : CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_unlock(&host_pools_lock);
	return r;
}

bool host_pool_import(void **pool, int fd, int *result)
{
	struct pool_file *f = pool_file_import(fd);
	if (!f)
		return false;
	*result = host_pool_file_check();
	if (*result)
		pool_file_free(f);
	else
		*result = host_pool_new(pool, POOL_PINNED, (struct location){.type = LOCATION_NUMA}, 0, f);
	return true;
}

/* What a CUmemPoolPtrExportData of 64 bytes says of memory in a pool's file. */
struct pointer {
	uint64_t device, inode, offset, size;
	uint8_t reserved[32];
};

int host_pool_export_pointer(const struct range *range, void *data)
{
	const struct pool_block *b = range->pooled;
	const struct pool_file *f = b->pool->file;
	if (!f || f->imported)
		return CUDA_ERROR_INVALID_VALUE;
	struct pointer p = {.device = f->file.device, .inode = f->file.inode, .offset = b->part.offset, .size = range->size};
	memcpy(data, &p, sizeof p);
	return CUDA_SUCCESS;
}

/* Whether memory at an offset of the pool's file is in use here. */
static bool imported(const struct host_pool *p, uint64_t offset)
{
	for (const struct pool_block *b = p->blocks; b; b = b->next)
		if (b->size && b->part.offset == offset)
			return true;
	return false;
}

int host_pool_import_pointer(uint64_t *address, void *pool, const void *data)
{
	struct object *mine = thread.context;
	struct pool_block *b = calloc(1, sizeof *b);
	struct pointer from;
	memcpy(&from, data, sizeof from);
	pthread_mutex_lock(&host_pools_lock);
	struct host_pool *p = host_pool_get(pool);
	int r = b ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	if (!r && (!p || !p->file || !p->file->imported || from.device != p->file->file.device || from.inode != p->file->file.inode || !from.size ||
		   from.size > session.size))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && imported(p, from.offset))
		r = CUDA_ERROR_ALREADY_MAPPED;
	if (!r) {
		b->pool = p;
		b->room = (from.size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
		thread.context = NULL;
		r = pool_file_map(p->file, from.offset, b->room, &b->part);
		thread.context = mine;
	}
	if (r) {
		free(b);
	} else {
		b->base = b->device_address = b->part.base;
		pool_block_add(b);
		r = pool_block_use(b, from.size);
	}
	if (!r)
		*address = b->base;
	pthread_mutex_unlock(&host_pools_lock);
	return r;
}
