// SPDX-License-Identifier: Apache-2.0
/* What is known here of a function or kernel, fetched once with its handle. */
#pragma once
#include <stdint.h>

#include "accepted.h"
#include "object.h"

enum { FUNCTION_ATTRIBUTES = 16, ATTRIBUTE_MAX_THREADS = 0, ATTRIBUTE_SHARED = 1, ATTRIBUTE_MAX_DYNAMIC = 8,
       ATTRIBUTE_CLUSTER = 11 /* the first of three: what a launch has to have, 0 for anything */ };

struct parameter {
	uint32_t offset, size;
};

/* Data of objects of kind KIND_FUNC and KIND_KERNEL. A kernel's functions, one a context, share their kernel's. */
struct function {
	struct object *owner; /* module or library */
	struct object *self; /* of the function, or of the kernel */
	struct function *next; /* of the same owner */
	struct kernel_function *functions; /* of a kernel, by context */
	char *name;
	int32_t attributes[FUNCTION_ATTRIBUTES];
	struct object *dynamic_by; /* by whose handle ATTRIBUTE_MAX_DYNAMIC was set to what it is; NULL: by none */
	uint32_t param_bytes, param_count;
	/* How many blocks of a shape fit a multiprocessor, as last asked for a cooperative launch. */
	uint32_t resident_threads, resident_shared;
	int resident_blocks;
	struct accepted accepted;
	/* State of the launch functions of CUDA 2 and 3. */
	int block[3];
	uint32_t shared, old_bytes;
	uint8_t *old_params;
	struct parameter params[];
};

static inline struct function *function_of(struct object *o) { return (struct function *)o->data; }

/* The function object that a launch means: a kernel stands for its function in the current context. NULL if
 * the handle is neither. */
struct object *function_get(void *handle);
/* The same for a handle that need not be right: what is no kernel is returned as it is. */
void *function_handle(void *handle);
/* Frees all functions of a module, or kernels of a library. */
void functions_free(struct function *list);
