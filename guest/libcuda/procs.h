// SPDX-License-Identifier: Apache-2.0
/* The table behind cuGetProcAddress, ordered by name, then newest first. */
#pragma once
#include <stddef.h>

struct proc {
	const char *name;
	int since; /* CUDA version of this variant, 1000 * major + 10 * minor */
	int per_thread; /* stream 0 is the calling thread's default stream */
	void *function;
};

extern const struct proc procs[];
extern const size_t proc_count;
