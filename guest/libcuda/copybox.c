// SPDX-License-Identifier: Apache-2.0
/*
 * Copies of boxes: 2D and 3D copies, and those of arrays. A box between pinned memory, devices and arrays is
 * one command; with pageable memory on one side it goes through staging, a slab of rows at a time.
 */
#include <stdlib.h>

#include "call.h"
#include "capture.h"
#include "copy.h"
#include "copybox.h"
#include "generated/calls.h"
#include "memory.h"
#include "object.h"
#include "onstream.h"
#include "shadow.h"
#include "stage.h"
#include "state.h"

enum { TYPE_HOST = 1, TYPE_DEVICE = 2, TYPE_ARRAY = 3, TYPE_UNIFIED = 4 };

static uint64_t get(const uint8_t *b, unsigned at) { uint64_t v; memcpy(&v, b + at, 8); return v; }
static void put(uint8_t *b, unsigned at, uint64_t v) { memcpy(b + at, &v, 8); }
static uint32_t get_type(const uint8_t *b, unsigned at) { uint32_t v; memcpy(&v, b + at, 4); return v; }

/* Settles a side's type and address. A CUresult. */
static int side_settle(struct box_side *s)
{
	if (s->type == TYPE_UNIFIED) {
		s->address = s->device;
		s->type = place_of(s->address) == PLACE_DEVICE ? TYPE_DEVICE : TYPE_HOST;
	} else if (s->type == TYPE_HOST) {
		s->address = s->host;
	} else if (s->type == TYPE_DEVICE) {
		s->address = s->device;
	} else if (s->type == TYPE_ARRAY) {
		uint64_t id;
		if (!s->array || !handle_id(s->array, KIND_ARRAY, &id))
			return CUDA_ERROR_INVALID_HANDLE;
		s->address = 0;
	} else {
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

int box_settle(struct box *b)
{
	int r = side_settle(&b->src);
	if (!r)
		r = side_settle(&b->dst);
	if (r)
		return r;
	for (struct box_side *s = &b->src;; s = &b->dst) {
		if (!s->pitch)
			s->pitch = b->width;
		if (!s->rows)
			s->rows = s->y + b->height;
		if (s->type != TYPE_ARRAY && b->height > 1 && s->pitch < b->width)
			return CUDA_ERROR_INVALID_VALUE;
		if (s->type == TYPE_HOST && b->width && b->height && b->depth) { /* registered memory is reached in the region */
			if (!s->address)
				return CUDA_ERROR_INVALID_VALUE;
			uint64_t span = ((s->z + b->depth - 1) * s->rows + s->y + b->height - 1) * s->pitch + s->x + b->width;
			uint64_t pinned = pinned_at((void *)(uintptr_t)s->address, span);
			s->address = pinned ? pinned : s->address;
		}
		if (s == &b->dst)
			return CUDA_SUCCESS;
	}
}

static bool pageable(const struct box_side *s) { return s->type == TYPE_HOST && !in_heap((void *)(uintptr_t)s->address); }

/* One side in the layout of CUDA_MEMCPY3D, with an array's id in place of its handle. */
static void side_put(uint8_t *d, unsigned at, unsigned context_at, const struct box_side *s)
{
	uint64_t id = 0;
	put(d, at, s->x);
	put(d, at + 8, s->y);
	put(d, at + 16, s->z);
	put(d, at + 24, s->level);
	put(d, at + 32, s->type);
	put(d, at + 40, s->type == TYPE_HOST ? s->address : 0);
	put(d, at + 48, s->type == TYPE_DEVICE ? s->address : 0);
	if (s->type == TYPE_ARRAY)
		handle_id(s->array, KIND_ARRAY, &id);
	put(d, at + 56, id);
	if (s->context && handle_id(s->context, KIND_CTX, &id))
		put(d, context_at, id);
	put(d, at + 72, s->pitch);
	put(d, at + 80, s->rows);
}

void box_put(uint8_t *d, const struct box *b)
{
	memset(d, 0, BOX_BYTES);
	side_put(d, 0, 64, &b->src);
	side_put(d, 88, 152, &b->dst);
	put(d, 176, b->width);
	put(d, 184, b->height);
	put(d, 192, b->depth);
}

static int box_send(const struct box *b, void *stream)
{
	uint8_t d[BOX_BYTES];
	box_put(d, b);
	return b->src.context || b->dst.context ? wire_copy_3d_peer(d, stream) : wire_copy_3d(d, stream);
}

uint8_t *box_row(const struct box_side *s, uint64_t z, uint64_t y)
{
	return (uint8_t *)(uintptr_t)(s->address + ((s->z + z) * s->rows + s->y + y) * s->pitch + s->x);
}

/* Copies rows [y, y+n) of slice z between host memory and staging. */
static void rows_pack(const struct box *b, uint64_t z, uint64_t y, uint64_t n, uint8_t *staged, bool in)
{
	const struct box_side *s = in ? &b->src : &b->dst;
	for (uint64_t i = 0; i < n; i++) {
		uint8_t *row = box_row(s, z, y + i), *packed = staged + i * b->width;
		memcpy(in ? packed : row, in ? row : packed, b->width);
	}
}

/* A slab with the pageable side replaced by staging. */
static struct box slab_of(const struct box *b, uint64_t z, uint64_t y, uint64_t n, const struct stage *s, bool in)
{
	struct box slab = *b;
	struct box_side *staged = in ? &slab.src : &slab.dst, *other = in ? &slab.dst : &slab.src;
	*staged = (struct box_side){.type = TYPE_HOST, .address = (uint64_t)(uintptr_t)s->data, .pitch = b->width, .rows = n};
	other->y += y;
	other->z += z;
	slab.height = n;
	slab.depth = 1;
	return slab;
}

static int slab_copy(const struct box *b, uint64_t z, uint64_t y, uint64_t n, void *stream, bool in)
{
	struct stage s;
	int r = stage_take(&s, n * b->width);
	if (r)
		return r;
	if (in)
		rows_pack(b, z, y, n, s.data, true);
	struct box slab = slab_of(b, z, y, n, &s, in);
	r = box_send(&slab, stream);
	if (in && !r)
		r = wire_write_flag(stream, s.flag, s.value);
	else if (!r)
		r = stream_fence(stream);
	if (in && !r) {
		stage_lend(&s);
		return CUDA_SUCCESS;
	}
	if (!r)
		rows_pack(b, z, y, n, s.data, false);
	stage_return(&s);
	return r;
}

static int box_stage(const struct box *b, void *stream, bool in)
{
	int r = CUDA_SUCCESS;
	if (b->width > STAGE_PIECE) /* longer rows than a piece: none is known to exist */
		return CUDA_ERROR_NOT_SUPPORTED;
	uint64_t rows = STAGE_PIECE / b->width;
	for (uint64_t z = 0; !r && z < b->depth; z++)
		for (uint64_t y = 0; !r && y < b->height; y += rows)
			r = slab_copy(b, z, y, b->height - y < rows ? b->height - y : rows, stream, in);
	return r;
}

static int box_host(const struct box *b, void *stream)
{
	int r = stream_fence(stream);
	for (uint64_t z = 0; !r && z < b->depth; z++)
		for (uint64_t y = 0; y < b->height; y++)
			memmove(box_row(&b->dst, z, y), box_row(&b->src, z, y), b->width);
	return r;
}

/* In a capture, pageable memory is read and written at each launch. */
static int box_capture(struct box *b, void *stream)
{
	struct shadow *made[2];
	struct object *graph;
	size_t n = 0;
	int r = capture_graph(stream, &graph);
	for (int out = 0; !r && out < 2; out++)
		if (pageable(out ? &b->dst : &b->src) && !(r = shadow_make(b, !out, &made[n])))
			n++;
	if (!r)
		r = box_send(b, stream);
	for (size_t i = 0; i < n; i++) {
		if (r)
			shadow_discard(made[i]);
		else
			shadow_attach(graph, made[i]);
	}
	return r ? r : call_deferred();
}

int box_copy(struct box *b, void *stream, bool wait)
{
	int r = box_settle(b);
	if (r)
		return r;
	if (!b->width || !b->height || !b->depth)
		return CUDA_SUCCESS;
	bool from_host = pageable(&b->src), to_host = pageable(&b->dst);
	bool within_host = b->src.type == TYPE_HOST && b->dst.type == TYPE_HOST;
	if ((from_host || to_host || within_host) && stream_capturing(stream))
		return box_capture(b, stream);
	/* Within the host this thread copies, once the stream has come that far, as with NVIDIA's driver. A copy from or to
	 * managed memory takes its turn in the stream: what that waits for may be this thread's next step. */
	bool managed = within_host && (memory_managed(b->src.address) || memory_managed(b->dst.address));
	if (within_host && (from_host || to_host || !managed))
		return box_host(b, stream);
	if (from_host)
		r = box_stage(b, stream, true);
	else if (to_host)
		r = box_stage(b, stream, false);
	else
		r = box_send(b, stream);
	if (r)
		return r;
	return wait ? stream_fence(stream) : call_deferred();
}

static struct box_side side_2d(const uint8_t *d, unsigned at)
{
	return (struct box_side){.x = get(d, at), .y = get(d, at + 8), .type = get_type(d, at + 16), .host = get(d, at + 24),
				 .device = get(d, at + 32), .array = (void *)(uintptr_t)get(d, at + 40), .pitch = get(d, at + 48)};
}

static struct box_side side_3d(const uint8_t *d, unsigned at)
{
	return (struct box_side){.x = get(d, at), .y = get(d, at + 8), .z = get(d, at + 16), .level = get(d, at + 24),
				 .type = get_type(d, at + 32), .host = get(d, at + 40), .device = get(d, at + 48),
				 .array = (void *)(uintptr_t)get(d, at + 56), .pitch = get(d, at + 72), .rows = get(d, at + 80)};
}

struct box box_from_3d(const uint8_t *d, bool peer)
{
	struct box b = {.src = side_3d(d, 0), .dst = side_3d(d, 88), .width = get(d, 176), .height = get(d, 184), .depth = get(d, 192)};
	if (peer) {
		b.src.context = (void *)(uintptr_t)get(d, 64);
		b.dst.context = (void *)(uintptr_t)get(d, 152);
	}
	return b;
}

static int copy_2d(const uint8_t *d, void *stream, bool wait)
{
	if (!d)
		return CUDA_ERROR_INVALID_VALUE;
	struct box b = {.src = side_2d(d, 0), .dst = side_2d(d, 56), .width = get(d, 112), .height = get(d, 120), .depth = 1};
	return box_copy(&b, stream, wait);
}

static int copy_3d(const uint8_t *d, void *stream, bool wait, bool peer)
{
	if (!d)
		return CUDA_ERROR_INVALID_VALUE;
	struct box b = box_from_3d(d, peer);
	return box_copy(&b, stream, wait);
}

/* Linear copies with an array on one side, as boxes of one row. */
static struct box_side array_side(void *array, uint64_t offset) { return (struct box_side){.type = TYPE_ARRAY, .array = array, .x = offset}; }
static struct box_side host_side(const void *p) { return (struct box_side){.type = TYPE_HOST, .host = (uint64_t)(uintptr_t)p}; }
static struct box_side device_side(uint64_t p) { return (struct box_side){.type = TYPE_DEVICE, .device = p}; }

static int row_copy(struct box_side dst, struct box_side src, size_t n, void *stream, bool wait)
{
	struct box b = {.src = src, .dst = dst, .width = n, .height = 1, .depth = 1};
	return box_copy(&b, stream, wait);
}

ON_DEFAULT_STREAM(cuMemcpy2D_v2, (const void *d), copy_2d(d, stream, true))
ON_DEFAULT_STREAM(cuMemcpy2DUnaligned_v2, (const void *d), copy_2d(d, stream, true))
ON_DEFAULT_STREAM(cuMemcpy3D_v2, (const void *d), copy_3d(d, stream, true, false))
ON_DEFAULT_STREAM(cuMemcpy3DPeer, (const void *d), copy_3d(d, stream, true, true))
ON_STREAM(cuMemcpy2DAsync_v2, (const void *d, void *stream), copy_2d(d, stream, false))
ON_STREAM(cuMemcpy3DAsync_v2, (const void *d, void *stream), copy_3d(d, stream, false, false))
ON_STREAM(cuMemcpy3DPeerAsync, (const void *d, void *stream), copy_3d(d, stream, false, true))

ON_DEFAULT_STREAM(cuMemcpyHtoA_v2, (void *dst, size_t offset, const void *src, size_t n), row_copy(array_side(dst, offset), host_side(src), n, stream, true))
ON_DEFAULT_STREAM(cuMemcpyAtoH_v2, (void *dst, void *src, size_t offset, size_t n), row_copy(host_side(dst), array_side(src, offset), n, stream, true))
ON_DEFAULT_STREAM(cuMemcpyDtoA_v2, (void *dst, size_t offset, uint64_t src, size_t n), row_copy(array_side(dst, offset), device_side(src), n, stream, true))
ON_DEFAULT_STREAM(cuMemcpyAtoD_v2, (uint64_t dst, void *src, size_t offset, size_t n), row_copy(device_side(dst), array_side(src, offset), n, stream, true))
ON_DEFAULT_STREAM(cuMemcpyAtoA_v2, (void *dst, size_t to, void *src, size_t from, size_t n), row_copy(array_side(dst, to), array_side(src, from), n, stream, true))
ON_STREAM(cuMemcpyHtoAAsync_v2, (void *dst, size_t offset, const void *src, size_t n, void *stream),
	  row_copy(array_side(dst, offset), host_side(src), n, stream, false))
ON_STREAM(cuMemcpyAtoHAsync_v2, (void *dst, void *src, size_t offset, size_t n, void *stream),
	  row_copy(host_side(dst), array_side(src, offset), n, stream, false))
