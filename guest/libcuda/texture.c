// SPDX-License-Identifier: Apache-2.0
/* Texture and surface objects, whose descriptions hold handles of arrays. The objects themselves are the
 * driver's own values: kernels get them as arguments. */
#include "call.h"
#include "generated/calls.h"
#include "memory.h"
#include "object.h"
#include "onstream.h"
#include "state.h"

enum { RESOURCE_BYTES = 144, RESOURCE_HANDLE = 8, ARRAY = 0, MIPMAP = 1 };

/* Copies a CUDA_RESOURCE_DESC with ids in the place of handles. A CUresult. */
static int resource_out(const uint8_t *p, uint8_t *d)
{
	uint32_t type;
	void *handle;
	uint64_t id;
	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(d, p, RESOURCE_BYTES);
	memcpy(&type, p, 4);
	memcpy(&handle, p + RESOURCE_HANDLE, 8);
	if (type > MIPMAP)
		return CUDA_SUCCESS;
	if (!handle || !handle_id(handle, type == ARRAY ? KIND_ARRAY : KIND_MIPMAP, &id))
		return CUDA_ERROR_INVALID_HANDLE;
	memcpy(d + RESOURCE_HANDLE, &id, 8);
	return CUDA_SUCCESS;
}

EXPORT int cuTexObjectCreate(uint64_t *object, const void *resource, const void *texture, const void *view)
{
	uint8_t d[RESOURCE_BYTES];
	int r = enter_context();
	if (!r && !object)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = resource_out(resource, d);
	return r ? r : wire_tex_object_create(d, texture, view, object);
}

EXPORT int cuSurfObjectCreate(uint64_t *object, const void *resource)
{
	uint8_t d[RESOURCE_BYTES];
	int r = enter_context();
	if (!r && !object)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = resource_out(resource, d);
	return r ? r : wire_surf_object_create(d, object);
}

EXPORT int cuTexObjectDestroy(uint64_t object)
{
	int r = enter_context();
	return r ? r : wire_tex_object_destroy(object);
}

EXPORT int cuSurfObjectDestroy(uint64_t object)
{
	int r = enter_context();
	return r ? r : wire_surf_object_destroy(object);
}

static int get(unsigned what, uint64_t object, uint8_t *out, size_t n)
{
	uint8_t d[RESOURCE_BYTES];
	uint32_t type;
	int r = enter_context();
	if (!r && !out)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_tex_object_get(what, object, d);
	if (r)
		return r;
	memcpy(&type, d, 4);
	if (n == RESOURCE_BYTES && type <= MIPMAP) {
		uint64_t id;
		memcpy(&id, d + RESOURCE_HANDLE, 8);
		void *handle = handle_from_id(type == ARRAY ? KIND_ARRAY : KIND_MIPMAP, id);
		memcpy(d + RESOURCE_HANDLE, &handle, 8);
	}
	memcpy(out, d, n);
	return CUDA_SUCCESS;
}

EXPORT int cuTexObjectGetResourceDesc(void *d, uint64_t object) { return get(WIRE_DESC_RESOURCE, object, d, RESOURCE_BYTES); }
EXPORT int cuTexObjectGetTextureDesc(void *d, uint64_t object) { return get(WIRE_DESC_TEXTURE, object, d, 104); }
EXPORT int cuTexObjectGetResourceViewDesc(void *d, uint64_t object) { return get(WIRE_DESC_VIEW, object, d, 112); }
EXPORT int cuSurfObjectGetResourceDesc(void *d, uint64_t object) { return get(WIRE_DESC_SURFACE, object, d, RESOURCE_BYTES); }

EXPORT int cuTexRefSetAddress_v2(size_t *offset, void *reference, uint64_t address, size_t size)
{
	uint64_t at = 0;
	int r = enter_context();
	if (!r)
		r = wire_cuTexRefSetAddress_v2(&at, reference, address, size);
	if (!r && offset)
		*offset = at;
	return r;
}

/* Memory of sparse arrays. */
static int map_arrays(const uint8_t *list, unsigned n, void *stream)
{
	enum { INFO = 96, MEMORY = 64, MOST = 256 };
	uint8_t d[MOST * INFO];
	if (!list || !n || n > MOST)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(d, list, (size_t)n * INFO);
	for (uint8_t *e = d; e < d + (size_t)n * INFO; e += INFO) {
		uint32_t type;
		void *array, *memory;
		uint64_t id;
		memcpy(&type, e, 4);
		memcpy(&array, e + RESOURCE_HANDLE, 8);
		memcpy(&memory, e + MEMORY, 8);
		if (type > MIPMAP)
			return CUDA_ERROR_INVALID_VALUE;
		if (!array || !handle_id(array, type == ARRAY ? KIND_ARRAY : KIND_MIPMAP, &id))
			return CUDA_ERROR_INVALID_HANDLE;
		memcpy(e + RESOURCE_HANDLE, &id, 8);
		if (!handle_id(memory, KIND_MEMH, &id)) /* NULL takes memory away */
			return CUDA_ERROR_INVALID_HANDLE;
		memcpy(e + MEMORY, &id, 8);
	}
	return wire_map_arrays(d, n, stream);
}

ON_STREAM(cuMemMapArrayAsync, (const void *list, unsigned n, void *stream), map_arrays(list, n, stream))
