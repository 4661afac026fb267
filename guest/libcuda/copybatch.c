// SPDX-License-Identifier: Apache-2.0
/*
 * Batches of copies: one copy after another, in any order as far as CUDA is concerned. A batch is checked as a
 * whole before its first copy.
 */
#include "call.h"
#include "copy.h"
#include "copybox.h"
#include "generated/calls.h"
#include "memory.h"
#include "object.h"
#include "onstream.h"
#include "state.h"

enum order { ORDER_STREAM = 1, ORDER_DURING_CALL, ORDER_ANY };
enum { PREFER_OVERLAP = 1, OPERAND_POINTER = 1, OPERAND_ARRAY = 2, TYPE_ARRAY = 3, TYPE_UNIFIED = 4 };

struct attributes { /* a CUmemcpyAttributes */
	uint32_t order;
	uint32_t source_hint[2], target_hint[2];
	uint32_t flags;
};

struct operand { /* a CUmemcpy3DOperand */
	uint32_t type;
	union {
		struct {
			uint64_t address, row, layer;
			uint32_t hint[2];
		} pointer;
		struct {
			void *array;
			uint64_t x, y, z;
		} array;
	};
};

struct batch_3d { /* a CUDA_MEMCPY3D_BATCH_OP */
	struct operand src, dst;
	uint64_t width, height, depth;
	uint32_t order, flags;
};

_Static_assert(sizeof(struct attributes) == 24 && sizeof(struct operand) == 40 && sizeof(struct batch_3d) == 112, "laid out as CUDA's");

static bool order_right(uint32_t order, uint32_t flags)
{
	return order >= ORDER_STREAM && order <= ORDER_ANY && !(flags & ~(uint32_t)PREFER_OVERLAP);
}

/* Pageable memory is read when the call is made. What is to be read in stream order is so after what the stream
 * still has to do. */
static int await_source(uint64_t src, uint32_t order, void *stream)
{
	return order == ORDER_STREAM && place_of(src) == PLACE_HOST && !session.captures ? stream_fence(stream) : CUDA_SUCCESS;
}

static int batch_check(const uint64_t *dsts, const uint64_t *srcs, const size_t *sizes, size_t count, const struct attributes *attributes,
		       const size_t *first, size_t n, void *stream)
{
	if (!dsts || !srcs || !sizes || !count || !attributes || !first || !n || n > count || first[0] || legacy_stream(stream))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < n; i++)
		if (!order_right(attributes[i].order, attributes[i].flags) || (i && first[i] <= first[i - 1]) || first[i] >= count)
			return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static int batch(const uint64_t *dsts, const uint64_t *srcs, const size_t *sizes, size_t count, const struct attributes *attributes,
		 const size_t *first, size_t n, size_t *failed, void *stream)
{
	int r = batch_check(dsts, srcs, sizes, count, attributes, first, n, stream);
	if (failed)
		*failed = SIZE_MAX;
	if (r)
		return r;
	for (size_t i = 0; !r && i < count; i++)
		if (!dsts[i] || !srcs[i] || !sizes[i]) {
			r = CUDA_ERROR_INVALID_VALUE;
			if (failed)
				*failed = i;
		}
	for (size_t i = 0, k = 0; !r && i < count; i++) {
		while (k + 1 < n && first[k + 1] <= i)
			k++;
		r = await_source(srcs[i], attributes[k].order, stream);
		if (!r)
			r = copy_unified(dsts[i], srcs[i], sizes[i], stream, false);
		if (r && failed)
			*failed = i;
	}
	return r;
}

/* The size of an array's elements. A CUresult. */
static int element_of(void *array, uint64_t *bytes)
{
	uint8_t d[40];
	uint32_t format, channels;
	uint64_t id;
	if (!array || !handle_id(array, KIND_ARRAY, &id))
		return CUDA_ERROR_INVALID_HANDLE;
	int r = wire_cuArray3DGetDescriptor_v2(d, array);
	if (r)
		return r;
	memcpy(&format, d + 24, 4);
	memcpy(&channels, d + 28, 4);
	switch (format) {
	case 0x01: /* 8 bits */
	case 0x08:
		*bytes = channels;
		return CUDA_SUCCESS;
	case 0x02: /* 16 bits */
	case 0x09:
	case 0x10:
		*bytes = 2 * channels;
		return CUDA_SUCCESS;
	case 0x03: /* 32 bits */
	case 0x0a:
	case 0x20:
		*bytes = 4 * channels;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_NOT_SUPPORTED;
	}
}

static struct box_side side_of(const struct operand *o, uint64_t element)
{
	if (o->type == OPERAND_ARRAY)
		return (struct box_side){.type = TYPE_ARRAY, .array = o->array.array, .x = o->array.x * element, .y = o->array.y, .z = o->array.z};
	return (struct box_side){.type = TYPE_UNIFIED, .device = o->pointer.address, .pitch = o->pointer.row * element, .rows = o->pointer.layer};
}

/* Elements are an array's, if there is one on either side, else bytes. */
static int batch_3d_box(const struct batch_3d *b, struct box *box)
{
	uint64_t element = 1;
	int r = CUDA_SUCCESS;
	if (!order_right(b->order, b->flags) || !b->width || !b->height || !b->depth || (b->src.type != OPERAND_POINTER && b->src.type != OPERAND_ARRAY) ||
	    (b->dst.type != OPERAND_POINTER && b->dst.type != OPERAND_ARRAY))
		return CUDA_ERROR_INVALID_VALUE;
	if (b->src.type == OPERAND_ARRAY)
		r = element_of(b->src.array.array, &element);
	else if (b->dst.type == OPERAND_ARRAY)
		r = element_of(b->dst.array.array, &element);
	*box = (struct box){.src = side_of(&b->src, element), .dst = side_of(&b->dst, element), .width = b->width * element,
			    .height = b->height, .depth = b->depth};
	return r;
}

static int batch_3d(size_t count, const struct batch_3d *list, size_t *failed, uint64_t flags, void *stream)
{
	struct box box;
	int r = CUDA_SUCCESS;
	if (failed)
		*failed = SIZE_MAX;
	if (!count || !list || flags || legacy_stream(stream))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < count; i++) {
			r = batch_3d_box(&list[i], &box);
			if (!r && pass && list[i].src.type == OPERAND_POINTER)
				r = await_source(list[i].src.pointer.address, list[i].order, stream);
			if (!r && pass)
				r = box_copy(&box, stream, false);
			if (!r)
				continue;
			if (failed)
				*failed = i;
			return r;
		}
	return r;
}

ON_STREAM(cuMemcpyBatchAsync, (const uint64_t *dsts, const uint64_t *srcs, const size_t *sizes, size_t count, const void *attributes,
	  const size_t *first, size_t n, size_t *failed, void *stream), batch(dsts, srcs, sizes, count, attributes, first, n, failed, stream))
ON_STREAM(cuMemcpyBatchAsync_v2, (const uint64_t *dsts, const uint64_t *srcs, const size_t *sizes, size_t count, const void *attributes,
	  const size_t *first, size_t n, void *stream), batch(dsts, srcs, sizes, count, attributes, first, n, NULL, stream))
ON_STREAM(cuMemcpy3DBatchAsync, (size_t count, const void *list, size_t *failed, uint64_t flags, void *stream),
	  batch_3d(count, list, failed, flags, stream))
ON_STREAM(cuMemcpy3DBatchAsync_v2, (size_t count, const void *list, uint64_t flags, void *stream), batch_3d(count, list, NULL, flags, stream))
