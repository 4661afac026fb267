// SPDX-License-Identifier: Apache-2.0
/* What the pieces under test need of the rest of the library: a live session, and objects without a range. */
#pragma once
#include <stdarg.h>
#include <stdlib.h>

#include "../../context.h"
#include "../../log.h"
#include "../../object.h"
#include "../../state.h"

struct session session = {.state = SESSION_LIVE, .device_count = 2, .driver_version = 13000};
__thread struct thread thread __attribute__((tls_model("initial-exec")));
struct object *objects;

static struct object range[64] __attribute__((aligned(64)));
static int lines_logged;

bool object_mapped(uint64_t index) { return index < sizeof range / sizeof *range; }
int session_absent(void) { return session.state == SESSION_LIVE ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED; }
int session_open(void) { return session_absent(); }

void log_line(int level, const char *format, ...)
{
	(void)level;
	(void)format;
	__atomic_add_fetch(&lines_logged, 1, __ATOMIC_RELAXED);
}

/* A context at a place of the range. */
static inline struct object *fake_context(int index)
{
	objects = range;
	range[index].kind = KIND_CTX;
	range[index].data = calloc(1, sizeof(struct context));
	context_of(&range[index])->id = (uint64_t)index;
	return &range[index];
}

static inline void fake_destroy(struct object *o)
{
	free(o->data);
	memset(o, 0, sizeof *o);
}

int context_fault(void) { return CUDA_SUCCESS; }

int context_missing(const char *function)
{
	(void)function;
	return CUDA_ERROR_INVALID_CONTEXT;
}
