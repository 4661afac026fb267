// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "generated/calls.h"
#include "stage.h"
#include "state.h"

pthread_mutex_t image_lock = PTHREAD_MUTEX_INITIALIZER;

enum { WRAPPER_MAGIC = 0x466243B1, CONTAINER_MAGIC = (int)0xBA55ED50, CONTAINER_HEADER = 16 };

/* What nvcc hands over: a pointer to a container. Version 2, of a program linked from units (-rdc=true), has a list of
 * theirs, and in its own what nvlink made of them: code for the architectures that the program was built for, if any. */
struct wrapper {
	uint32_t magic, version;
	const uint8_t *data;
	const void *const *units;
};

static uint64_t largest(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* An ELF ends with whatever lies last in it: headers, segments or sections. */
static size_t elf_size(const uint8_t *b)
{
	Elf64_Ehdr h;
	memcpy(&h, b, sizeof h);
	uint64_t end = largest(sizeof h, h.e_phnum ? h.e_phoff + (uint64_t)h.e_phnum * h.e_phentsize : 0);
	end = largest(end, h.e_shnum ? h.e_shoff + (uint64_t)h.e_shnum * h.e_shentsize : 0);
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr p;
		memcpy(&p, b + h.e_phoff + (uint64_t)i * h.e_phentsize, sizeof p);
		end = largest(end, p.p_offset + p.p_filesz);
	}
	for (unsigned i = 0; i < h.e_shnum; i++) {
		Elf64_Shdr s;
		memcpy(&s, b + h.e_shoff + (uint64_t)i * h.e_shentsize, sizeof s);
		if (s.sh_type != SHT_NOBITS)
			end = largest(end, s.sh_offset + s.sh_size);
	}
	return end;
}

int image_measure(const void *image, const uint8_t **bytes, size_t *size)
{
	uint32_t magic;
	const uint8_t *b = image;
	if (!image)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(&magic, b, 4);
	if (magic == WRAPPER_MAGIC) {
		struct wrapper w;
		memcpy(&w, b, sizeof w);
		b = w.data;
		if (!b)
			return CUDA_ERROR_INVALID_IMAGE;
		memcpy(&magic, b, 4);
	}
	*bytes = b;
	if (magic == (uint32_t)CONTAINER_MAGIC) {
		uint16_t header;
		uint64_t body;
		memcpy(&header, b + 6, 2);
		memcpy(&body, b + 8, 8);
		if (header < CONTAINER_HEADER || body > UINT32_MAX)
			return CUDA_ERROR_INVALID_IMAGE;
		*size = header + body;
	} else if (!memcmp(b, ELFMAG, SELFMAG)) {
		*size = elf_size(b);
	} else {
		*size = strlen((const char *)b) + 1; /* PTX, with its NUL */
	}
	return CUDA_SUCCESS;
}

const void *const *image_units(const void *image)
{
	struct wrapper w;
	memcpy(&w.magic, image, sizeof w.magic);
	if (w.magic != WRAPPER_MAGIC)
		return NULL;
	memcpy(&w, image, sizeof w);
	return w.version == 2 ? w.units : NULL;
}

int image_send(const uint8_t *bytes, size_t size, uint64_t *managed)
{
	uint64_t need = 0;
	int r = CUDA_SUCCESS;
	for (size_t at = 0; !r && at < size; at += STAGE_PIECE) {
		struct stage s;
		size_t n = size - at < STAGE_PIECE ? size - at : STAGE_PIECE;
		r = stage_take(&s, n);
		if (r)
			return r;
		memcpy(s.data, bytes + at, n);
		r = wire_image_append(size, (uint64_t)(uintptr_t)s.data, n, managed != NULL, &need);
		stage_return(&s);
	}
	if (managed)
		*managed = need;
	return r;
}

int image_read(const char *path, uint8_t **bytes, size_t *size)
{
	*bytes = NULL;
	FILE *f = path ? fopen(path, "rb") : NULL;
	if (!f)
		return path ? CUDA_ERROR_FILE_NOT_FOUND : CUDA_ERROR_INVALID_VALUE;
	int r = CUDA_ERROR_INVALID_SOURCE;
	long end;
	if (!fseek(f, 0, SEEK_END) && (end = ftell(f)) > 0 && !fseek(f, 0, SEEK_SET) && (*bytes = malloc((size_t)end + 1))) {
		*size = fread(*bytes, 1, (size_t)end, f);
		(*bytes)[*size] = 0; /* ends PTX */
		r = *size == (size_t)end ? CUDA_SUCCESS : CUDA_ERROR_INVALID_SOURCE;
	}
	fclose(f);
	return r;
}

enum { JIT_WALL_TIME = 2, JIT_INFO_LOG = 3, JIT_INFO_BYTES = 4, JIT_ERROR_LOG = 5, JIT_ERROR_BYTES = 6 };

int jit_prepare(struct jit *j, unsigned count, const uint32_t *ids, void **values)
{
	if (count > sizeof j->wire / 16 || (count && (!ids || !values)))
		return CUDA_ERROR_INVALID_VALUE;
	j->count = count;
	j->ids = ids;
	j->values = values;
	j->wire_bytes = 0;
	j->info_room = j->error_room = 0;
	for (unsigned i = 0; i < count; i++) {
		if (ids[i] == JIT_INFO_BYTES)
			j->info_room = (uint32_t)(uintptr_t)values[i];
		if (ids[i] == JIT_ERROR_BYTES)
			j->error_room = (uint32_t)(uintptr_t)values[i];
		if (ids[i] == JIT_INFO_LOG || ids[i] == JIT_ERROR_LOG)
			continue;
		uint64_t entry[2] = {ids[i], (uint64_t)(uintptr_t)values[i]};
		memcpy(j->wire + j->wire_bytes, entry, 16);
		j->wire_bytes += 16;
	}
	return CUDA_SUCCESS;
}

/* Copies a log into the program's buffer and sets its size option to what was written. */
static void give_log(const struct jit *j, uint32_t buffer_id, uint32_t size_id, size_t room, const uint8_t *text, uint32_t n)
{
	char *buffer = NULL;
	void **size = NULL;
	for (unsigned i = 0; i < j->count; i++) {
		if (j->ids[i] == buffer_id)
			buffer = j->values[i];
		if (j->ids[i] == size_id)
			size = &j->values[i];
	}
	if (!buffer || !size)
		return;
	if (room) {
		size_t m = n < room - 1 ? n : room - 1;
		memcpy(buffer, text, m);
		buffer[m] = 0;
		n = (uint32_t)m;
	}
	*size = (void *)(uintptr_t)n;
}

void jit_finish(const struct jit *j, const uint8_t *log)
{
	uint32_t info, error;
	memcpy(&info, log, 4);
	memcpy(&error, log + 4, 4);
	give_log(j, JIT_INFO_LOG, JIT_INFO_BYTES, j->info_room, log + WIRE_JITLOG_INFO, info < WIRE_JITLOG_BYTES ? info : WIRE_JITLOG_BYTES);
	give_log(j, JIT_ERROR_LOG, JIT_ERROR_BYTES, j->error_room, log + WIRE_JITLOG_ERROR, error < WIRE_JITLOG_BYTES ? error : WIRE_JITLOG_BYTES);
	for (unsigned i = 0; i < j->count; i++)
		if (j->ids[i] == JIT_WALL_TIME)
			memcpy(&j->values[i], log + 8, 4);
}
