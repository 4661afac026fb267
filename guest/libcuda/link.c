// SPDX-License-Identifier: Apache-2.0
/* The linker: inputs go to the worker, the linked image comes back and belongs to the link state. */
#include <stdlib.h>

#include "call.h"
#include "generated/calls.h"
#include "image.h"
#include "object.h"
#include "stage.h"
#include "state.h"

/* Data of an object of kind KIND_LINK. Options of cuLinkCreate receive logs until the end. */
struct link {
	struct jit jit;
	uint8_t *image;
};

enum { INPUT_PTX = 1 };

EXPORT int cuLinkCreate_v2(unsigned int count, uint32_t *options, void **values, void **state)
{
	int r = enter_context();
	if (!r && !state)
		r = CUDA_ERROR_INVALID_VALUE;
	struct link *l = r ? NULL : calloc(1, sizeof *l);
	if (!r && !l)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (!r)
		r = jit_prepare(&l->jit, count, options, values);
	if (!r)
		r = wire_link_create(state, l->jit.wire, l->jit.wire_bytes);
	if (r)
		free(l);
	else
		((struct object *)*state)->data = l;
	return r;
}

static struct link *link_get(void *state)
{
	struct object *o = object_get(state, KIND_LINK);
	return o ? o->data : NULL;
}

EXPORT int cuLinkAddData_v2(void *state, unsigned int type, void *data, size_t size, const char *name, unsigned int count, uint32_t *options,
			    void **values)
{
	uint8_t log[WIRE_JITLOG_SIZE];
	struct jit j;
	struct link *l = link_get(state);
	int r = enter_context();
	if (!r && !l)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && (!data || !size))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = jit_prepare(&j, count, options, values);
	if (r)
		return r;
	memset(log, 0, 16);
	pthread_mutex_lock(&image_lock);
	r = image_send(data, size, NULL);
	if (!r)
		r = wire_link_add(state, type, name ? name : "", j.wire, j.wire_bytes, log);
	pthread_mutex_unlock(&image_lock);
	jit_finish(&j, log);
	jit_finish(&l->jit, log);
	return r;
}

EXPORT int cuLinkAddFile_v2(void *state, unsigned int type, const char *path, unsigned int count, uint32_t *options, void **values)
{
	uint8_t *bytes;
	size_t size;
	int r = enter_context();
	if (!r)
		r = image_read(path, &bytes, &size);
	if (r)
		return r;
	r = cuLinkAddData_v2(state, type, bytes, type == INPUT_PTX ? size + 1 : size, path, count, options, values);
	free(bytes);
	return r;
}

EXPORT int cuLinkComplete(void *state, void **image, size_t *size)
{
	uint8_t log[WIRE_JITLOG_SIZE];
	uint64_t n = 0;
	struct link *l = link_get(state);
	int r = enter_context();
	if (!r && !l)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && !image)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	memset(log, 0, 16);
	r = wire_link_complete(state, &n, log);
	jit_finish(&l->jit, log); /* what does not link is told there */
	if (r)
		return r;
	free(l->image);
	l->image = malloc(n ? n : 1);
	if (!l->image)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (uint64_t at = 0; !r && at < n; at += STAGE_PIECE) {
		struct stage s;
		uint64_t m = n - at < STAGE_PIECE ? n - at : STAGE_PIECE;
		r = stage_take(&s, m);
		if (r)
			break;
		r = wire_link_read(state, at, (uint64_t)(uintptr_t)s.data, m);
		if (!r)
			memcpy(l->image + at, s.data, m);
		stage_return(&s);
	}
	*image = l->image;
	if (size)
		*size = n;
	return r;
}

EXPORT int cuLinkDestroy(void *state)
{
	struct link *l = link_get(state);
	int r = enter();
	if (!r && !l)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (r)
		return r;
	free(l->image);
	free(l);
	return wire_link_destroy(state);
}
