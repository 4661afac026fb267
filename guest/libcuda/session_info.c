// SPDX-License-Identifier: Apache-2.0
#include "session_info.h"

#include <time.h>

#include "context.h"
#include "device.h"
#include "generated/calls.h"
#include "log.h"
#include "object.h"
#include "state.h"

_Static_assert(SESSION_INFO_DEVICES == WIRE_MAX_DEVICES && SESSION_INFO_NAME == WIRE_DEV_NAME_BYTES, "as on the wire");
_Static_assert(sizeof(struct gpu_link) == WIRE_GPULINK_SIZE && GPU_LINKS == WIRE_GPULINKS, "as on the wire");
_Static_assert(sizeof(struct gpu_state) == WIRE_GPUSTATE_SIZE && GPU_UNKNOWN == WIRE_GPUUNKNOWN, "as on the wire");

/*
 * Bytes that the worker holds on a device. It tells them of a current context, so one of that device is made
 * current for the question; without any, nothing is held.
 */
static uint64_t memory_used(int device)
{
	struct object *before = thread.context, *o = before;
	uint64_t free = 0, total = 0;

	if (!o || o->device != device)
		o = session.devices[device].primary;
	if (!o)
		return 0;
	thread.context = o;
	int r = wire_mem_info(&free, &total);
	thread.context = before;
	return r || free > total ? 0 : total - free;
}

EXPORT int orion_session(struct session_info *out, size_t size)
{
	if (!out || size != sizeof *out)
		return CUDA_ERROR_INVALID_VALUE;
	int r = session_open();
	if (r)
		return r;
	memset(out, 0, sizeof *out);
	out->cuda_version = session.driver_version;
	out->count = session.granted;
	out->log = log_line;
	for (int i = 0; i < session.granted; i++) {
		const struct device *d = &session.devices[i];
		struct session_info_device *to = &out->devices[d->place];
		to->ordinal = i;
		memcpy(to->uuid, d->uuid, sizeof to->uuid);
		memcpy(to->name, d->name, sizeof to->name - 1);
		to->memory = d->memory;
		to->used = memory_used(i);
		to->domain = d->domain;
		to->bus = d->bus;
		to->slot = d->slot;
	}
	return CUDA_SUCCESS;
}

EXPORT void orion_session_release(void) { session_release(); }

EXPORT int orion_device_attribute(int *value, int attribute, int device)
{
	return value ? device_attribute(value, attribute, device) : CUDA_ERROR_INVALID_VALUE;
}

/* Asks the worker, which has the first answer when the driver has told it. */
static int ask(int (*question)(int, void *), int device, void *out)
{
	int r = session_open();
	if (r)
		return r;
	if (device < 0 || device >= session.granted)
		return CUDA_ERROR_INVALID_DEVICE;
	struct timespec pause = {.tv_nsec = 1000000};
	for (int waited = 0; (r = question(device, out)) == CUDA_ERROR_NOT_READY && waited < 5000; waited++)
		nanosleep(&pause, NULL);
	return r;
}

EXPORT int orion_gpu_state(int device, struct gpu_state *out, size_t size)
{
	if (!out || size != sizeof *out)
		return CUDA_ERROR_INVALID_VALUE;
	int r = ask(wire_gpu_state, device, out);
	out->branch[sizeof out->branch - 1] = out->driver[sizeof out->driver - 1] = 0;
	return r;
}

EXPORT int orion_gpu_links(int device, struct gpu_link *out, size_t size)
{
	return out && size == GPU_LINKS * sizeof *out ? ask(wire_gpu_links, device, out) : CUDA_ERROR_INVALID_VALUE;
}
