// SPDX-License-Identifier: Apache-2.0
/* cuGetErrorName and cuGetErrorString: they need no session. */
#include "results.h"

#define EXPORT __attribute__((visibility("default")))

enum { CUDA_SUCCESS, CUDA_ERROR_INVALID_VALUE };

static const struct result *result_find(int code)
{
	size_t low = 0, high = result_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (results[middle].code == code)
			return &results[middle];
		if (results[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

EXPORT int cuGetErrorName(int error, const char **name)
{
	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	const struct result *r = result_find(error);
	*name = r ? r->name : NULL;
	return r ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT int cuGetErrorString(int error, const char **text)
{
	if (!text)
		return CUDA_ERROR_INVALID_VALUE;
	const struct result *r = result_find(error);
	*text = r ? r->text : NULL;
	return r ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
