// SPDX-License-Identifier: Apache-2.0
/*
 * Memory and pools as files. The driver's own file is the worker's and of no use here: what the program gets is a
 * small file that holds a token (see ipc.c), which it may send to another process, or leave to a child, as it would
 * the driver's. It can be turned back into memory as long as the process that exported it has that memory. Pools of the
 * host give the file that has their memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call.h"
#include "context.h"
#include "copy.h"
#include "generated/calls.h"
#include "hostpool.h"
#include "log.h"
#include "memory.h"
#include "object.h"
#include "onstream.h"
#include "state.h"

enum { TOKEN_BYTES = 64, POSIX_FILE = 1 };

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif
#ifndef O_TMPFILE
#define O_TMPFILE (020000000 | O_DIRECTORY)
#endif

static int file_new(void)
{
	enum { CLOSE_ON_EXEC = 1, ALLOW_SEALING = 2 };
	int fd = -1;
#ifdef SYS_memfd_create
	fd = (int)syscall(SYS_memfd_create, "orion-memory", CLOSE_ON_EXEC | ALLOW_SEALING);
#endif
	return fd >= 0 ? fd : open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); /* before Linux 3.17 */
}

/* Puts a token into a new file. A CUresult. */
static int token_write(const uint8_t *token, int *fd)
{
	enum { ALL_SEALS = 0xf };
	int f = file_new();
	if (f < 0 || write(f, token, TOKEN_BYTES) != TOKEN_BYTES) {
		log_line(LOG_ERROR, "make a file for shared memory: %s", strerror(errno));
		if (f >= 0)
			close(f);
		return CUDA_ERROR_OPERATING_SYSTEM;
	}
	fcntl(f, F_ADD_SEALS, ALL_SEALS); /* where it can be: who gets the file cannot change it */
	*fd = f;
	return CUDA_SUCCESS;
}

static int token_read(int fd, uint8_t *token)
{
	return pread(fd, token, TOKEN_BYTES, 0) == TOKEN_BYTES ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* For what is about to be shared. Other kinds of handles are of other systems, or need a fabric. */
static int type_check(unsigned type)
{
	if (type != POSIX_FILE)
		return CUDA_ERROR_NOT_SUPPORTED;
	copies_beside();
	return CUDA_SUCCESS;
}

EXPORT int cuMemExportToShareableHandle(void *fd, uint64_t handle, unsigned int type, uint64_t flags)
{
	uint8_t token[TOKEN_BYTES];
	int r = enter();
	if (!r && (!fd || flags || !handle))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = type_check(type);
	if (!r)
		r = wire_share_handle((void *)(uintptr_t)handle, token);
	return r ? r : token_write(token, fd);
}

EXPORT int cuMemImportFromShareableHandle(uint64_t *handle, void *fd, unsigned int type)
{
	uint8_t token[TOKEN_BYTES];
	void *h;
	int r = enter();
	if (!r && !handle)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = type_check(type);
	if (!r)
		r = token_read((int)(intptr_t)fd, token);
	if (!r)
		r = wire_take_handle(&h, token);
	if (!r)
		*handle = (uint64_t)(uintptr_t)h;
	return r;
}

EXPORT int cuMemPoolExportToShareableHandle(void *fd, void *pool, unsigned int type, uint64_t flags)
{
	uint8_t token[TOKEN_BYTES];
	int r = enter();
	if (!r && (!fd || flags || !pool))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = type_check(type);
	if (!r && host_pool_is(pool))
		return host_pool_export(pool, fd);
	if (!r)
		r = wire_share_pool(pool, token);
	return r ? r : token_write(token, fd);
}

EXPORT int cuMemPoolImportFromShareableHandle(void **pool, void *fd, unsigned int type, uint64_t flags)
{
	uint8_t token[TOKEN_BYTES];
	int r = enter();
	if (!r && (!pool || flags))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = type_check(type);
	if (!r && host_pool_import(pool, (int)(intptr_t)fd, &r))
		return r;
	if (!r)
		r = token_read((int)(intptr_t)fd, token);
	return r ? r : wire_take_pool(pool, token);
}

/* A CUmemPoolPtrExportData has the size of a token. */
EXPORT int cuMemPoolExportPointer(void *data, uint64_t address)
{
	struct range range;
	int r = enter();
	if (!r && (!data || !memory_find(address, &range) || range.base != address || !range.asynchronous))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && range.pooled)
		return host_pool_export_pointer(&range, data);
	return r ? r : wire_share_pointer(address, data);
}

EXPORT int cuMemPoolImportPointer(uint64_t *address, void *pool, const void *data)
{
	uint64_t size;
	int r = enter_context();
	if (!r && (!address || !data || !pool))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && host_pool_is(pool))
		return host_pool_import_pointer(address, pool, data);
	if (!r)
		r = wire_take_pointer(pool, data, address, &size);
	if (r)
		return r;
	struct range range = {.base = *address, .size = size, .type = MEMORY_DEVICE, .context = context_owner(),
			      .device = thread.context->device, .device_address = *address, .asynchronous = 1};
	if (memory_claim(*address, size) && memory_add(range))
		return CUDA_SUCCESS;
	wire_mem_free_async(*address, NULL);
	return CUDA_ERROR_MAP_FAILED;
}
