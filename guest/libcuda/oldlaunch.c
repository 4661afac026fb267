// SPDX-License-Identifier: Apache-2.0
/* The launch functions of CUDA 2 and 3, which keep a launch's parts in the function. */
#include <stdlib.h>

#include "exported.h"
#include "function.h"
#include "state.h"


enum { MAX_PARAMS = 4096 };

static int find(void *handle, struct function **f)
{
	int r = enter_context();
	struct object *o = object_get(handle, KIND_FUNC);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r)
		*f = function_of(o);
	return r;
}

EXPORT int cuFuncSetBlockShape(void *function, int x, int y, int z)
{
	struct function *f;
	int r = find(function, &f);
	if (!r && (x < 1 || y < 1 || z < 1))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		f->block[0] = x, f->block[1] = y, f->block[2] = z;
	return r;
}

EXPORT int cuFuncSetSharedSize(void *function, unsigned int bytes)
{
	struct function *f;
	int r = find(function, &f);
	if (!r)
		f->shared = bytes;
	return r;
}

EXPORT int cuParamSetSize(void *function, unsigned int bytes)
{
	struct function *f;
	int r = find(function, &f);
	if (!r && bytes > MAX_PARAMS)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		f->old_bytes = bytes;
	return r;
}

EXPORT int cuParamSetv(void *function, int offset, void *value, unsigned int bytes)
{
	struct function *f;
	int r = find(function, &f);
	if (!r && (!value || offset < 0 || (unsigned)offset > MAX_PARAMS || bytes > MAX_PARAMS - (unsigned)offset))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !f->old_params && !(f->old_params = calloc(1, MAX_PARAMS)))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (!r)
		memcpy(f->old_params + offset, value, bytes);
	return r;
}

EXPORT int cuParamSeti(void *function, int offset, unsigned int value) { return cuParamSetv(function, offset, &value, sizeof value); }
EXPORT int cuParamSetf(void *function, int offset, float value) { return cuParamSetv(function, offset, &value, sizeof value); }

EXPORT int cuLaunchGridAsync(void *function, int width, int height, void *stream)
{
	struct function *f;
	int r = find(function, &f);
	if (r)
		return r;
	if (!f->block[0] || width < 1 || height < 1)
		return CUDA_ERROR_INVALID_VALUE;
	size_t bytes = f->old_bytes;
	void *extra[] = {(void *)1, f->old_params, (void *)2, &bytes, (void *)0};
	return cuLaunchKernel(function, (unsigned)width, (unsigned)height, 1, (unsigned)f->block[0], (unsigned)f->block[1],
			      (unsigned)f->block[2], f->shared, stream, NULL, extra);
}

EXPORT int cuLaunchGrid(void *function, int width, int height) { return cuLaunchGridAsync(function, width, height, NULL); }
EXPORT int cuLaunch(void *function) { return cuLaunchGrid(function, 1, 1); }
