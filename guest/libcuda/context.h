// SPDX-License-Identifier: Apache-2.0
/* Contexts as the guest knows them. */
#pragma once
#include <stdint.h>

#include "object.h"

struct storage_entry;

/* Data of an object of kind KIND_CTX. */
struct context {
	uint64_t id; /* as cuCtxGetId reports it */
	unsigned flags;
	int sticky; /* error that has ended the context: every further call returns it */
	unsigned life; /* of a primary context: what was made of libraries in an earlier one is gone */
	_Atomic uint64_t idle, stream_idle; /* see idle.c: of all streams, of the default stream */
	int primary; /* belongs to its device and is shared */
	struct coredump *coredump; /* settings of its own, see coredump.c */
	struct storage_entry *storage; /* context-local storage, see storage.c */
	struct object *green; /* the green context that it stands for, or NULL */
	struct object *primary_object; /* of a green context: the primary context, which owns its memory */
};

static inline struct context *context_of(struct object *o) { return (struct context *)o->data; }

/* Runs the destructors of a context's local storage and empties it. */
void storage_clear(struct object *context);
/* Whether an error is one that ends the context in which it arises. */
bool context_ended_by(int result);
/* Notes an error that ends the current context, and returns its argument. */
int context_note(int result);
/* A number for a context or a stream. A context's is also its default stream's, so they are counted together. */
uint64_t unique_id(void);
/* A new context's data, for context_free; NULL when out of memory. */
struct context *context_new(void);
void context_free(struct context *c);
/* Takes a context that ends off the calling thread. */
void context_leave(struct object *context);
/* The context to which memory belongs that the calling thread allocates, or NULL. */
struct object *context_owner(void);
/* Sets the calling thread's current context. */
void context_set(struct object *context);
