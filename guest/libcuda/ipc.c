// SPDX-License-Identifier: Apache-2.0
/*
 * Memory and events of other processes. A handle is a token of the worker's, by which the other process's worker
 * asks this one's for the real thing; see host/worker/share.
 */
#include "call.h"
#include "context.h"
#include "copy.h"
#include "eventword.h"
#include "generated/calls.h"
#include "log.h"
#include "memory.h"
#include "object.h"
#include "state.h"

struct ipc_handle { /* a CUipcMemHandle, a CUipcEventHandle: passed by value */
	uint8_t token[64];
};

enum { LAZY_PEER_ACCESS = 1 };

/* Opened memory is counted in its range's flags. */
static pthread_mutex_t opened = PTHREAD_MUTEX_INITIALIZER;

EXPORT int cuIpcGetMemHandle(struct ipc_handle *handle, uint64_t address)
{
	struct range range;
	int r = enter_context();
	if (!r && (!handle || !memory_find(address, &range) || range.type != MEMORY_DEVICE || range.asynchronous))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	copies_beside();
	return wire_share_memory(range.base, handle->token);
}

/* Counts memory that has been opened. The caller holds the lock. A CUresult. */
static int note(uint64_t address, uint64_t size)
{
	struct range range;
	if (memory_find(address, &range) && range.base == address && range.type == MEMORY_OPENED && memory_remove(address, &range)) {
		range.flags++;
		return memory_add(range) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (!memory_claim(address, size)) {
		log_line(LOG_ERROR, "another process's GPU memory collides with this program's memory");
		return CUDA_ERROR_MAP_FAILED;
	}
	range = (struct range){.base = address, .size = size, .type = MEMORY_OPENED, .context = context_owner(),
			       .device = thread.context->device, .device_address = address, .flags = 1};
	return memory_add(range) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORT int cuIpcOpenMemHandle_v2(uint64_t *address, struct ipc_handle handle, unsigned int flags)
{
	uint64_t size;
	int r = enter_context();
	if (!r && (!address || flags != LAZY_PEER_ACCESS))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	copies_beside();
	pthread_mutex_lock(&opened);
	r = wire_take_memory(handle.token, flags, address, &size);
	if (!r && (r = note(*address, size)))
		wire_drop_memory(*address);
	pthread_mutex_unlock(&opened);
	return r;
}

EXPORT int cuIpcCloseMemHandle(uint64_t address)
{
	struct range range;
	int r = enter_context();
	if (r)
		return r;
	pthread_mutex_lock(&opened);
	if (!memory_find(address, &range) || range.base != address || range.type != MEMORY_OPENED)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_drop_memory(address);
	if (!r && memory_remove(address, &range) && --range.flags)
		r = memory_add(range) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_unlock(&opened);
	return r ? r : call_deferred();
}

EXPORT int cuIpcGetEventHandle(struct ipc_handle *handle, void *event)
{
	int r = enter_context();
	if (!r && !handle)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && !object_get(event, KIND_EVENT))
		r = CUDA_ERROR_INVALID_HANDLE;
	return r ? r : wire_share_event(event, handle->token);
}

EXPORT int cuIpcOpenEventHandle(void **event, struct ipc_handle handle)
{
	enum { NO_TIMING = 2, INTERPROCESS = 4 };
	int r = enter_context();
	if (!r && !event)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = wire_take_event(event, handle.token);
	if (!r)
		((struct object *)*event)->number = NO_TIMING | INTERPROCESS;
	if (!r)
		word_never(*event);
	return r;
}
