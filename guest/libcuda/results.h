// SPDX-License-Identifier: Apache-2.0
/* Names and descriptions of CUresult, ordered by code. */
#pragma once
#include <stddef.h>

struct result {
	int code;
	const char *name, *text;
};

extern const struct result results[];
extern const size_t result_count;
