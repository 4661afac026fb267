// SPDX-License-Identifier: Apache-2.0
/*
 * Handles. Each is the address of a 64-byte object in one reserved range, so that a handle can be checked
 * without a lookup, and its index in the range is its id on the wire. Ids of the lower half are minted here,
 * those of the upper half by the worker, for handles that it names first (nodes of a captured graph).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "generated/calls.h"

struct object {
	uint8_t kind; /* enum kind, 0 if free */
	uint8_t flag; /* by kind */
	uint16_t device;
	uint32_t next; /* of the free list */
	struct object *context; /* in which it was made, or NULL */
	void *data; /* by kind: struct context, struct function, ... */
	uint64_t number; /* by kind: flags, priority, unique id */
	uint64_t extra[4]; /* by kind, see event words (eventword.c), streams (stream.c, idle.c), nodes (graph.c) */
};

enum { OBJECT_FIRST = 16, OBJECT_MINTED = 1 << 22, OBJECT_LAST = 2 << 22 };

/* Has another value, which must lie outside the range, name an object; false when out of memory or taken. */
bool object_alias(void *handle, struct object *o);
void object_unalias(struct object *o);
/* The object that a value outside the range names, NULL if none. */
struct object *object_aliased(const void *handle);

extern struct object *objects; /* the range's start, NULL before the first object */

/* A new object of a kind, in the calling thread's current context; NULL when memory or ids are used up. */
struct object *object_new(int kind);
/* Frees an object; its data is the caller's to free first. A NULL or foreign pointer is ignored. */
void object_free(void *handle);
/* The object of an id, made if the worker minted it; NULL for id 0 and nonsense. */
void *handle_from_id(int kind, uint64_t id);

static inline uint32_t object_id(const struct object *o) { return (uint32_t)(o - objects); }

/* Whether an index of the range is backed by memory. */
bool object_mapped(uint64_t index);

/* The object behind a handle if it is live and of that kind, else NULL. */
static inline struct object *object_get(const void *handle, int kind)
{
	uint64_t offset = (uint64_t)(uintptr_t)handle - (uint64_t)(uintptr_t)objects;
	if (!objects || offset % sizeof(struct object) || offset / sizeof(struct object) >= OBJECT_LAST)
		return kind == KIND_EXEC ? object_aliased(handle) : 0; /* the one kind that kernels name by the driver's value */
	struct object *o = (struct object *)(uintptr_t)handle;
	return object_mapped(offset / sizeof(struct object)) && o->kind == kind ? o : 0;
}

/* Whether a stream is the legacy default stream, by either of its names. */
static inline bool legacy_stream(const void *stream) { return !stream || stream == (void *)1; }

/* The id of a handle; false if it is not one of that kind. NULL is id 0; the legacy stream keeps its value. */
static inline bool handle_id(const void *handle, int kind, uint64_t *id)
{
	if (!handle || (kind == KIND_STREAM && handle == (void *)1)) {
		*id = (uint64_t)(uintptr_t)handle;
		return true;
	}
	struct object *o = object_get(handle, kind);
	if (!o)
		return false;
	*id = object_id(o);
	return true;
}

/* enter_context for calls that need only the context of an object, which becomes current where none is. The caller
 * sets thread.context back. */
#define enter_context_of_object(handle, kind) enter_context_of_object_(__func__, handle, kind)
int enter_context_of_object_(const char *function, const void *handle, int kind);
