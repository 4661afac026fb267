// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "state.h"

/* Per-thread default streams are streams of this library's own, made for a thread and context when first
 * used, since in the worker all commands run on one thread. */
struct per_thread_stream {
	struct object *context;
	void *stream;
	struct per_thread_stream *next;
};
