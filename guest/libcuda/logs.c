// SPDX-License-Identifier: Apache-2.0
#include "logs.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "state.h"

enum { KEPT = 100, TEXT_BYTES = 256, CALLBACKS = 16 };

typedef void (*callback)(void *data, int level, char *text, size_t n);

/* A message's number is 1 + its index since the start; 0 while it is being written. */
static struct message {
	_Atomic uint32_t number;
	int level;
	char text[TEXT_BYTES];
} messages[KEPT];

static _Atomic uint32_t written;

static struct registration {
	_Atomic(callback) call;
	_Atomic(void *) data;
	atomic_bool taken;
} registrations[CALLBACKS];

void logs_note(int level, const char *text, size_t n)
{
	uint32_t index = atomic_fetch_add(&written, 1);
	struct message *m = &messages[index % KEPT];
	if (n > TEXT_BYTES - 1)
		n = TEXT_BYTES - 1;
	atomic_store(&m->number, 0);
	m->level = level;
	memcpy(m->text, text, n);
	m->text[n] = 0;
	atomic_store(&m->number, index + 1);
	for (struct registration *r = registrations; r < registrations + CALLBACKS; r++) {
		callback call = atomic_load(&r->call);
		if (!call)
			continue;
		char copy[TEXT_BYTES];
		memcpy(copy, text, n);
		copy[n] = 0;
		call(atomic_load(&r->data), level, copy, n);
	}
}

EXPORT int cuLogsRegisterCallback(callback call, void *data, void **handle)
{
	if (!call)
		return CUDA_ERROR_INVALID_VALUE;
	for (struct registration *r = registrations; r < registrations + CALLBACKS; r++) {
		bool free = false;
		if (!atomic_compare_exchange_strong(&r->taken, &free, true))
			continue;
		atomic_store(&r->data, data);
		atomic_store(&r->call, call);
		if (handle)
			*handle = r;
		return CUDA_SUCCESS;
	}
	return CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORT int cuLogsUnregisterCallback(void *handle)
{
	for (struct registration *r = registrations; r < registrations + CALLBACKS; r++)
		if (r == handle && atomic_load(&r->taken)) {
			atomic_store(&r->call, NULL);
			atomic_store(&r->taken, false);
			return CUDA_SUCCESS;
		}
	return CUDA_ERROR_INVALID_VALUE;
}

EXPORT int cuLogsCurrent(uint32_t *iterator, unsigned int flags)
{
	(void)flags; /* reserved; driver 580 takes any */
	if (!iterator)
		return CUDA_ERROR_INVALID_VALUE;
	*iterator = atomic_load(&written);
	return CUDA_SUCCESS;
}

/* Formats the message of an index as a line; its length, 0 if it is gone. */
static size_t line_of(uint32_t index, char *line, size_t room)
{
	struct message *m = &messages[index % KEPT], copy;
	if (atomic_load(&m->number) != index + 1)
		return 0;
	copy.level = m->level;
	memcpy(copy.text, m->text, sizeof copy.text);
	if (atomic_load(&m->number) != index + 1) /* overwritten meanwhile */
		return 0;
	int n = snprintf(line, room, "[CUDA][%c] %s\n", copy.level ? 'W' : 'E', copy.text);
	return n > 0 ? (size_t)n : 0;
}

enum { LINE_BYTES = TEXT_BYTES + 16 };

static const char truncated[] = "[CUDA][W] older messages are not here any more\n";
static const char too_many[] = "[CUDA][W] older messages do not fit\n";

/* Where reading begins: at an iterator, or at the oldest message. Whether there were older ones that are gone. */
static uint32_t first_of(const uint32_t *iterator, uint32_t end, bool *gone)
{
	uint32_t oldest = end > KEPT ? end - KEPT : 0, first = iterator ? *iterator : 0;
	*gone = first < oldest;
	return *gone || first > end ? oldest : first;
}

EXPORT int cuLogsDumpToFile(uint32_t *iterator, const char *path, unsigned int flags)
{
	char line[LINE_BYTES];
	bool gone;
	if (!path || flags)
		return CUDA_ERROR_INVALID_VALUE;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return CUDA_ERROR_INVALID_VALUE;
	uint32_t end = atomic_load(&written), at = first_of(iterator, end, &gone);
	bool ok = !gone || write(fd, truncated, sizeof truncated - 1) > 0;
	for (; ok && at < end; at++) {
		size_t n = line_of(at, line, sizeof line);
		ok = !n || write(fd, line, n) == (ssize_t)n;
	}
	ok = close(fd) == 0 && ok;
	if (ok && iterator)
		*iterator = end;
	return ok ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
}

/* The newest messages that fit, in their order. */
EXPORT int cuLogsDumpToMemory(uint32_t *iterator, char *buffer, size_t *size, unsigned int flags)
{
	char line[LINE_BYTES];
	bool gone;
	if (!buffer || !size || flags)
		return CUDA_ERROR_INVALID_VALUE;
	uint32_t end = atomic_load(&written), first = first_of(iterator, end, &gone), from = end;
	size_t room = *size, used = 0;
	*size = 0;
	for (size_t total = 0; from > first; from--) {
		/* The note is needed unless this is the first one and nothing is gone. */
		size_t note = from - 1 > first ? sizeof too_many - 1 : gone ? sizeof truncated - 1 : 0;
		total += line_of(from - 1, line, sizeof line);
		if (total + note + 1 > room)
			break;
	}
	if (first < end && from == end)
		return CUDA_ERROR_INVALID_VALUE;
	const char *note = from > first ? too_many : gone ? truncated : "";
	if (room)
		used = (size_t)snprintf(buffer, room, "%s", note);
	for (; from < end; from++) {
		size_t n = line_of(from, line, sizeof line);
		if (used + n + 1 > room)
			break;
		memcpy(buffer + used, line, n + 1);
		used += n;
	}
	*size = used;
	if (iterator)
		*iterator = end;
	return CUDA_SUCCESS;
}
