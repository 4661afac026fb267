// SPDX-License-Identifier: Apache-2.0
/*
 * Asynchronous notifications. The one that CUDA has tells a process that it has more memory than its budget, for
 * systems that let it. A vGPU's quota refuses what goes beyond it, so the occasion never comes: registrations are
 * kept, and have nothing to tell.
 */
#include <stdlib.h>

#include "device.h"

struct notification {
	int device;
	struct notification *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct notification *list;

EXPORT int cuDeviceRegisterAsyncNotification(int device, void *callback, void *data, void **handle)
{
	struct device *d;
	int r = device_get(device, &d);
	(void)data;
	if (!r && (!callback || !handle))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	struct notification *n = malloc(sizeof *n);
	if (!n)
		return CUDA_ERROR_OUT_OF_MEMORY;
	n->device = device;
	pthread_mutex_lock(&lock);
	n->next = list;
	list = n;
	pthread_mutex_unlock(&lock);
	*handle = n;
	return CUDA_SUCCESS;
}

EXPORT int cuDeviceUnregisterAsyncNotification(int device, void *handle)
{
	struct device *d;
	int r = device_get(device, &d);
	if (r)
		return r;
	pthread_mutex_lock(&lock);
	struct notification **at = &list;
	while (*at && (*at != handle || (*at)->device != device))
		at = &(*at)->next;
	struct notification *n = *at;
	if (n)
		*at = n->next;
	pthread_mutex_unlock(&lock);
	free(n);
	return n ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
