// SPDX-License-Identifier: Apache-2.0
/*
 * Captures that this process has begun. Whether a thread may do what is potentially unsafe while something is
 * captured depends on threads and modes, and only this library knows them: in the worker all threads are one. It
 * is told with each command, and the worker's driver says what is unsafe.
 */
#pragma once
#include <stdbool.h>

#include "state.h"

enum { CAPTURE_GLOBAL, CAPTURE_THREAD_LOCAL, CAPTURE_RELAXED, CAPTURE_MODES };

/* Notes that the calling thread captures a stream, into a graph of the program's if one is given. False if out of memory. */
bool capture_begun(void *stream, void *given, unsigned mode);
/* Whether the calling thread may end the capture of a stream, which tells whether its graph is its own. A CUresult. */
int capture_may_end(void *stream, bool *own);
/* The capture of a stream has ended, well or with an error, or the stream has. */
void capture_ended(void *stream, bool well);
/* The graph that a stream is being captured into, which lives until the capture ends, and after if it ends well. A CUresult. */
int capture_graph(void *stream, struct object **graph);

bool capture_prohibits(void);
/* Whether the calling thread must not do what is potentially unsafe. */
static inline bool capture_strict(void) { return unlikely(session.captures) && capture_prohibits(); }

/* What this library does for itself is not the program's doing: mode = capture_relax() ... capture_restore(mode). */
static inline uint32_t capture_relax(void)
{
	uint32_t mode = thread.capture_mode;
	thread.capture_mode = CAPTURE_RELAXED;
	return mode;
}

static inline void capture_restore(uint32_t mode) { thread.capture_mode = mode; }
