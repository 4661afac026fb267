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
	int primary; /* belongs to its device and is shared */
	struct storage_entry *storage; /* context-local storage, see storage.c */
};

static inline struct context *context_of(struct object *o) { return (struct context *)o->data; }

/* Runs the destructors of a context's local storage and empties it. */
void storage_clear(struct object *context);
/* Notes an error that ends the current context, and returns its argument. */
int context_note(int result);
/* Sets the calling thread's current context. */
void context_set(struct object *context);
