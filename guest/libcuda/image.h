// SPDX-License-Identifier: Apache-2.0
/* Module images: what they are, how long they are, and their way to the worker. */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* One CUjit_option list of the program's, to be translated, and to receive what the compiler says. */
struct jit {
	unsigned count;
	const uint32_t *ids;
	void **values;
	uint32_t info_room, error_room; /* of the program's buffers: the options that say so become what was written */
	uint8_t wire[64 * 16];
	size_t wire_bytes;
};

/* Finds the bytes behind an image pointer as cuModuleLoadData takes it. A CUresult. */
int image_measure(const void *image, const uint8_t **bytes, size_t *size);
/* The units that nvcc left to be linked, where image is its wrapper of these: containers, up to a NULL. Else NULL. */
const void *const *image_units(const void *image);
/* Sends an image; image_lock must be held until the command that uses it has been answered. Of one to be loaded it
 * tells the bytes that its managed variables need; others have NULL there. */
int image_send(const uint8_t *bytes, size_t size, uint64_t *managed);
extern pthread_mutex_t image_lock;

/* Translates an option list. A CUresult. */
int jit_prepare(struct jit *j, unsigned count, const uint32_t *ids, void **values);
/* Writes logs and times from the answer's log into the program's buffers and option values. */
void jit_finish(const struct jit *j, const uint8_t *log);

/* Reads a file of the program's into memory to be freed. A CUresult. */
int image_read(const char *path, uint8_t **bytes, size_t *size);
