// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "poolfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cancel.h"
#include "generated/calls.h"
#include "log.h"
#include "state.h"

enum { PAGE = 4096, TRIES = 16, GAP = 2 << 20 };

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif
enum { NO_SEALING = 1, NO_SHRINKING = 2 };

#ifndef FALLOC_FL_PUNCH_HOLE
enum { FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2 };
#endif

/* What page 0 of a file holds. */
static const char magic[32] = "Orion memory pool of the host 1";

static void *at(uint64_t address) { return (void *)(uintptr_t)address; }

static struct pool_file *adopt(int fd, bool imported)
{
	struct pool_file *f = malloc(sizeof *f);
	if (f && shared_describe(fd, &f->file)) {
		f->file.offset = PAGE;
		f->imported = imported;
		return f;
	}
	free(f);
	close(fd);
	return NULL;
}

struct pool_file *pool_file_new(void)
{
	enum { CLOSE_ON_EXEC = 1, ALLOW_SEALING = 2 };
	int fd = -1;
#ifdef SYS_memfd_create
	fd = (int)syscall(SYS_memfd_create, "orion-pool", CLOSE_ON_EXEC | ALLOW_SEALING);
#endif
	if (fd < 0 || ftruncate(fd, PAGE) || pwrite(fd, magic, sizeof magic, 0) != sizeof magic ||
	    fcntl(fd, F_ADD_SEALS, NO_SEALING | NO_SHRINKING)) {
		log_line(LOG_ERROR, "make a file for a memory pool of the host: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	return adopt(fd, false);
}

struct pool_file *pool_file_import(int fd)
{
	char begin[sizeof magic];
	int seals = fcntl(fd, F_GET_SEALS);
	if (pread(fd, begin, sizeof begin, 0) != sizeof begin || memcmp(begin, magic, sizeof magic) || seals < 0 || !(seals & NO_SHRINKING))
		return NULL;
	int mine = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return mine < 0 ? NULL : adopt(mine, true);
}

void pool_file_free(struct pool_file *f)
{
	if (f && shared_is(f->file.fd, &f->file))
		close(f->file.fd);
	free(f);
}

/* A program may close descriptors that it does not know, and have others by their numbers. */
static bool open_still(const struct pool_file *f)
{
	if (shared_is(f->file.fd, &f->file))
		return true;
	log_line(LOG_ERROR, "a memory pool's file is gone: the program has closed a descriptor that is not its own");
	return false;
}

int pool_file_export(const struct pool_file *f, int *fd)
{
	int copy = open_still(f) ? fcntl(f->file.fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (copy < 0)
		return CUDA_ERROR_OPERATING_SYSTEM;
	*fd = copy;
	return CUDA_SUCCESS;
}

/* Maps a part where nothing lies yet, and asks the worker to do so at the same address. CUDA_ERROR_MAP_FAILED: it has
 * something there. */
static int map_once(const struct pool_file *f, uint64_t wish, struct pool_part *part)
{
	uint64_t host, device;
	struct shared_file where = f->file;
	void *p = mmap(at(wish), part->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, f->file.fd, (off_t)part->offset);
	if (p == MAP_FAILED)
		return CUDA_ERROR_OUT_OF_MEMORY;
	madvise(p, part->bytes, MADV_DONTFORK); /* as the region */
	part->base = (uint64_t)(uintptr_t)p;
	where.offset = part->offset;
	int r = shared_map(&where, part->base, part->bytes, &host, &device);
	if (!r && (host != part->base || device != part->base)) {
		wire_host_unmap(host);
		r = CUDA_ERROR_MAP_FAILED;
	}
	if (r)
		munmap(p, part->bytes);
	return r;
}

int pool_file_map(const struct pool_file *f, uint64_t offset, uint64_t bytes, struct pool_part *part)
{
	static _Atomic uint64_t next; /* behind the region, where both sides have room */
	struct stat s;
	if (!open_still(f))
		return CUDA_ERROR_OPERATING_SYSTEM;
	if (syscall(SYS_newfstatat, f->file.fd, "", &s, AT_EMPTY_PATH) || offset % PAGE || offset < PAGE || !bytes || bytes % PAGE ||
	    offset > (uint64_t)s.st_size || bytes > (uint64_t)s.st_size - offset)
		return CUDA_ERROR_INVALID_VALUE;
	*part = (struct pool_part){.offset = offset, .bytes = bytes};
	int r = CUDA_ERROR_MAP_FAILED;
	for (int i = 0; i < TRIES && r == CUDA_ERROR_MAP_FAILED; i++) {
		uint64_t skip = atomic_fetch_add(&next, ((bytes + GAP - 1) & ~(uint64_t)(GAP - 1)) + GAP);
		r = map_once(f, (uint64_t)(uintptr_t)session.base + session.size + skip, part);
	}
	return r;
}

int pool_file_add(struct pool_file *f, uint64_t bytes, struct pool_part *part)
{
	if (f->imported)
		return CUDA_ERROR_INVALID_VALUE;
	if (!open_still(f))
		return CUDA_ERROR_OPERATING_SYSTEM;
	if (ftruncate(f->file.fd, (off_t)(f->file.offset + bytes)))
		return CUDA_ERROR_OUT_OF_MEMORY;
	int r = pool_file_map(f, f->file.offset, bytes, part);
	f->file.offset += bytes; /* what has been given back is not used again: a hole costs nothing */
	return r;
}

void pool_file_unmap(const struct pool_file *f, const struct pool_part *part)
{
	wire_host_unmap(part->base);
	pool_file_forget(f, part);
}

void pool_file_forget(const struct pool_file *f, const struct pool_part *part)
{
	munmap(at(part->base), part->bytes);
	int cancel = cancel_hold();
	if (!f->imported && open_still(f))
		fallocate(f->file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)part->offset, (off_t)part->bytes);
	cancel_allow(cancel);
}
