// SPDX-License-Identifier: Apache-2.0
/* Events are of the hardware, and none reaches a vGPU. Sets of them exist all the same: nvidia-smi makes one at start. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "nvml.h"

struct event_set {
	int unused;
};

EXPORT int nvmlEventSetCreate(struct event_set **set)
{
	int r = nvml_ready();
	if (!r && !set)
		r = NVML_INVALID_ARGUMENT;
	if (r)
		return r;
	*set = calloc(1, sizeof **set);
	return *set ? NVML_SUCCESS : NVML_MEMORY;
}

EXPORT int nvmlEventSetFree(struct event_set *set)
{
	int r = nvml_ready();
	if (!r && !set)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		free(set);
	return r;
}

EXPORT int nvmlDeviceGetSupportedEventTypes(nvml_device device, unsigned long long *types)
{
	int i, r = nvml_device_index(device, &i);
	if (!r && !types)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*types = 0;
	return r;
}

EXPORT int nvmlDeviceRegisterEvents(nvml_device device, unsigned long long types, struct event_set *set)
{
	int i, r = nvml_device_index(device, &i);
	if (!r && !set)
		r = NVML_INVALID_ARGUMENT;
	return r || !types ? r : NVML_NOT_SUPPORTED;
}

/* Waits as long as it was told to: nothing comes. */
static int wait_event(const struct event_set *set, const void *data, unsigned int ms)
{
	int r = nvml_ready();
	if (!r && (!set || !data))
		r = NVML_INVALID_ARGUMENT;
	if (r)
		return r;
	struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
	return NVML_TIMEOUT;
}

EXPORT int nvmlEventSetWait_v2(struct event_set *set, void *data, unsigned int ms) { return wait_event(set, data, ms); }
EXPORT int nvmlEventSetWait(struct event_set *set, void *data, unsigned int ms) { return wait_event(set, data, ms); }
