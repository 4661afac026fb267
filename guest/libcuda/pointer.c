// SPDX-License-Identifier: Apache-2.0
/* Pointer attributes, from the table of what this process has allocated. */
#include "call.h"
#include "context.h"
#include "generated/calls.h"
#include "hostpool.h"
#include "memory.h"
#include "object.h"
#include "state.h"

enum attribute {
	CONTEXT = 1, MEMORY_TYPE, DEVICE_POINTER, HOST_POINTER, P2P_TOKENS, SYNC_MEMOPS, BUFFER_ID, IS_MANAGED, DEVICE_ORDINAL,
	IS_LEGACY_IPC, RANGE_START, RANGE_SIZE, MAPPED, ALLOWED_HANDLES, IS_GPU_DIRECT, ACCESS_FLAGS, MEMPOOL_HANDLE, MAPPING_SIZE,
	MAPPING_BASE, MEMORY_BLOCK_ID, HW_DECOMPRESS,
};

static void put32(void *to, uint32_t v) { memcpy(to, &v, 4); }
static void put64(void *to, uint64_t v) { memcpy(to, &v, 8); }
/* Truth values are four bytes: cudart reads them so. */
static void put_bool(void *to, bool v) { put32(to, v); }

static bool on_host(const struct range *range) { return range->type == MEMORY_PINNED || range->type == MEMORY_MANAGED || range->type == MEMORY_REGISTERED; }

/* One attribute of a range of this process. A CUresult. */
static int known(void *data, uint32_t attribute, uint64_t address, const struct range *range)
{
	enum { TYPE_HOST = 1, TYPE_DEVICE = 2, READ_WRITE = 3 };
	switch (attribute) {
	case CONTEXT:
		put64(data, (uint64_t)(uintptr_t)range->context);
		break;
	case MEMORY_TYPE:
		put32(data, range->type == MEMORY_PINNED || range->type == MEMORY_REGISTERED ? TYPE_HOST : TYPE_DEVICE);
		break;
	case DEVICE_POINTER:
		put64(data, range->device_address + (address - range->base));
		break;
	case HOST_POINTER:
		if (!on_host(range))
			return CUDA_ERROR_INVALID_VALUE;
		put64(data, address);
		break;
	case SYNC_MEMOPS:
		put_bool(data, range->sync);
		break;
	case BUFFER_ID:
		put64(data, range->id);
		break;
	case IS_MANAGED:
		put_bool(data, range->type == MEMORY_MANAGED);
		break;
	case DEVICE_ORDINAL:
		put32(data, range->device);
		break;
	case IS_LEGACY_IPC:
		put_bool(data, range->type == MEMORY_DEVICE && !range->asynchronous);
		break;
	case IS_GPU_DIRECT:
	case HW_DECOMPRESS:
		put_bool(data, false);
		break;
	case RANGE_START:
		put64(data, range->base);
		break;
	case RANGE_SIZE:
	case MAPPING_SIZE:
		put64(data, range->size);
		break;
	case MAPPING_BASE:
		put64(data, range->base);
		break;
	case MAPPED:
		put_bool(data, true);
		break;
	case ALLOWED_HANDLES:
		put64(data, 0);
		break;
	case ACCESS_FLAGS:
		put32(data, READ_WRITE);
		break;
	case MEMPOOL_HANDLE:
		put64(data, (uint64_t)(uintptr_t)host_pool_of(range));
		break;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

/* The size of an attribute's value. */
static size_t attribute_size(uint32_t attribute)
{
	switch (attribute) {
	case SYNC_MEMOPS:
	case IS_MANAGED:
	case IS_LEGACY_IPC:
	case MAPPED:
	case IS_GPU_DIRECT:
	case HW_DECOMPRESS:
	case MEMORY_TYPE:
	case DEVICE_ORDINAL:
	case ACCESS_FLAGS:
		return 4;
	case P2P_TOKENS:
		return 16;
	default:
		return 8;
	}
}

static int ask(void *data, uint32_t attribute, uint64_t address)
{
	struct range range;
	uint8_t value[64];
	if (memory_find(address, &range) && (range.type != MEMORY_RESERVED || attribute == SYNC_MEMOPS))
		return known(data, attribute, address, &range);
	/* Mapped memory and what the driver made by itself: the host knows. A context there is none of ours. */
	if (!memory_find(address, &range))
		return CUDA_ERROR_INVALID_VALUE;
	int r = wire_pointer_attribute(address, attribute, value);
	if (!r)
		memcpy(data, value, attribute_size(attribute));
	return r;
}

EXPORT int cuPointerGetAttribute(void *data, uint32_t attribute, uint64_t address)
{
	int r = enter();
	if (!r && !data)
		r = CUDA_ERROR_INVALID_VALUE;
	return r ? r : ask(data, attribute, address);
}

/* As in CUDA, attributes of an unknown pointer are zeroed and no error. */
EXPORT int cuPointerGetAttributes(unsigned int count, uint32_t *attributes, void **data, uint64_t address)
{
	int r = enter();
	if (!r && (!attributes || !data))
		r = CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; !r && i < count; i++) {
		if (!data[i])
			return CUDA_ERROR_INVALID_VALUE;
		if (ask(data[i], attributes[i], address)) {
			memset(data[i], 0, attribute_size(attributes[i]));
			if (attributes[i] == DEVICE_ORDINAL)
				put32(data[i], (uint32_t)-2); /* no device */
		}
	}
	return r;
}

EXPORT int cuPointerSetAttribute(const void *value, uint32_t attribute, uint64_t address)
{
	uint32_t sync;
	int r = enter();
	if (!r && (!value || attribute != SYNC_MEMOPS))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	memcpy(&sync, value, sizeof sync);
	/* It is only told back: copies of this library are ordered with the host as it asks, or more strictly. */
	return memory_set_sync(address, sync) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
