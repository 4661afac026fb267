// SPDX-License-Identifier: Apache-2.0
/* Devices: all is answered here, from what came with the session. */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>

#include "channel.h"
#include "generated/calls.h"
#include "release.h"
#include "visible.h"

EXPORT int cuInit(unsigned int flags)
{
	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	return session_initialise();
}

EXPORT int cuDriverGetVersion(int *version)
{
	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	/* Before the first session this is what the library serves; a host with an older driver lowers it. */
	bool without = session.state == SESSION_NONE && visible_none();
	*version = without || session_open() ? (int)ORION_DRIVER_VERSION : session.driver_version;
	return session.state == SESSION_LEFT ? CUDA_ERROR_DEINITIALIZED : CUDA_SUCCESS;
}

int device_get(int ordinal, struct device **d)
{
	int r = enter();
	if (r)
		return r;
	if (ordinal < 0 || ordinal >= session.device_count)
		return CUDA_ERROR_INVALID_DEVICE;
	*d = &session.devices[ordinal];
	return CUDA_SUCCESS;
}

EXPORT int cuDeviceGet(int *device, int ordinal)
{
	struct device *d;
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	int r = device_get(ordinal, &d);
	if (!r)
		*device = ordinal;
	return r;
}

EXPORT int cuDeviceGetCount(int *count)
{
	int r = enter();
	if (!r && !count)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*count = session.device_count;
	return r;
}

EXPORT int cuDeviceGetName(char *name, int length, int device)
{
	struct device *d;
	int r = device_get(device, &d);
	if (!r && (!name || length <= 0))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		snprintf(name, (size_t)length, "%s", d->name);
	return r;
}

EXPORT int cuDeviceGetUuid_v2(void *uuid, int device)
{
	struct device *d;
	int r = device_get(device, &d);
	if (!r && !uuid)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		memcpy(uuid, d->uuid, 16);
	return r;
}

EXPORT int cuDeviceGetUuid(void *uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }

EXPORT int cuDeviceGetLuid(char *luid, unsigned int *mask, int device)
{
	struct device *d;
	(void)luid, (void)mask;
	int r = device_get(device, &d);
	return r ? r : CUDA_ERROR_NOT_SUPPORTED; /* Windows only */
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
	struct device *d;
	int r = device_get(device, &d);
	if (!r && !bytes)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*bytes = d->memory;
	return r;
}

static pthread_mutex_t facts_lock = PTHREAD_MUTEX_INITIALIZER;

int device_attribute(int *value, int attribute, int device)
{
	int r = enter();
	if (r)
		return r;
	if (device < 0 || device >= session.granted)
		return CUDA_ERROR_INVALID_DEVICE;
	struct device *d = &session.devices[device];
	if (attribute < 1 || attribute >= (int)WIRE_ATTRIBUTE_COUNT)
		return CUDA_ERROR_INVALID_VALUE;
	if (unlikely(!__atomic_load_n(&d->facts, __ATOMIC_ACQUIRE))) {
		pthread_mutex_lock(&facts_lock);
		if (!d->facts) {
			r = wire_device_facts(device, d->attributes);
			__atomic_store_n(&d->facts, r == CUDA_SUCCESS, __ATOMIC_RELEASE);
		}
		pthread_mutex_unlock(&facts_lock);
		if (r)
			return r;
	}
	if (d->attributes[attribute] == (int32_t)WIRE_NO_ATTRIBUTE)
		return CUDA_ERROR_INVALID_VALUE;
	*value = d->attributes[attribute];
	return CUDA_SUCCESS;
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device)
{
	/* What a vGPU does not have, whatever the GPU behind it has: memory of the program that the GPU reads by
	 * itself, and its registration at the program's own address. */
	enum { MANAGED = 83, CONCURRENT_MANAGED = 89, PAGEABLE = 88, PAGEABLE_BY_TABLES = 100, HOST_REGISTER = 99,
	       HOST_POINTER_FOR_REGISTERED = 91, DIRECT_MANAGED_FROM_HOST = 101, HOST_REGISTER_READ_ONLY = 113,
	       GPU_DIRECT_RDMA = 116, MEMPOOL_HANDLE_TYPES = 119, DEFERRED_MAPPING = 121,
	       DMA_BUF = 124, HANDLE_FABRIC = 128,
	       UNIFIED_FUNCTIONS = 129, NUMA_CONFIG = 130, NUMA_ID = 131, MULTICAST = 132, HOST_NUMA_VIRTUAL = 141, HOST_NUMA_POOLS = 142,
	       HOST_POOLS = 144, HOST_VIRTUAL = 145, HOST_DMA_BUF = 146 };
	struct device *d;
	int r = device_get(device, &d);
	if (!r && !value)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = device_attribute(value, attribute, device);
	if (r)
		return r;
	switch (attribute) {
	case PAGEABLE:
	case PAGEABLE_BY_TABLES:
	case HOST_POINTER_FOR_REGISTERED:
	case DIRECT_MANAGED_FROM_HOST:
	case HOST_REGISTER_READ_ONLY:
	case GPU_DIRECT_RDMA:
	case DEFERRED_MAPPING:
	case DMA_BUF:
	case HANDLE_FABRIC:
	case UNIFIED_FUNCTIONS:
	case MULTICAST:
	case HOST_NUMA_VIRTUAL:
	case HOST_VIRTUAL:
	case HOST_DMA_BUF:
		*value = 0;
		break;
	case HOST_NUMA_POOLS: /* hostpool.c */
	case HOST_POOLS:
		*value = 1;
		break;
	case CONCURRENT_MANAGED: /* where both reach the same memory, and neither waits for the other's stores */
		*value = *value && *region32(WIRE_HDR_CARRIER) == WIRE_CARRIER_MEMORY;
		break;
	case HOST_REGISTER:
		*value = *region32(WIRE_HDR_CARRIER) != WIRE_CARRIER_DEVICE; /* whose memory may not be cached */
		break;
	case MEMPOOL_HANDLE_TYPES: /* files only */
		*value &= 1;
		break;
	case MANAGED:
		*value = 1;
		break;
	case NUMA_CONFIG: /* the GPU's memory is no node of this machine's */
		*value = 0;
		break;
	case NUMA_ID:
		*value = -1;
		break;
	}
	return CUDA_SUCCESS;
}

EXPORT int cuDeviceComputeCapability(int *major, int *minor, int device)
{
	enum { MAJOR = 75, MINOR = 76 };
	int r = cuDeviceGetAttribute(major, MAJOR, device);
	return r ? r : cuDeviceGetAttribute(minor, MINOR, device);
}

/* The structure that cuDeviceGetProperties fills: ten numbers, some of them triples. */
EXPORT int cuDeviceGetProperties(int *prop, int device)
{
	static const int order[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 9, 11, 12, 13, 14};
	if (!prop)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
		int r = cuDeviceGetAttribute(&prop[i], order[i], device);
		if (r)
			return r;
	}
	return CUDA_SUCCESS;
}

EXPORT int cuDeviceGetPCIBusId(char *id, int length, int device)
{
	struct device *d;
	int r = device_get(device, &d);
	if (!r && (!id || length < 13))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		snprintf(id, (size_t)length, "%04x:%02x:%02x.0", d->domain, d->bus, d->slot);
	return r;
}

EXPORT int cuDeviceGetByPCIBusId(int *device, const char *id)
{
	unsigned domain = 0, bus, slot, function = 0;
	int r = enter();
	if (r)
		return r;
	if (!device || !id)
		return CUDA_ERROR_INVALID_VALUE;
	if (sscanf(id, "%x:%x:%x.%x", &domain, &bus, &slot, &function) < 3) {
		domain = 0;
		if (sscanf(id, "%x:%x.%x", &bus, &slot, &function) < 2)
			return CUDA_ERROR_INVALID_VALUE;
	}
	for (int i = 0; i < session.device_count; i++) {
		struct device *d = &session.devices[i];
		if (d->domain == (int)domain && d->bus == (int)bus && d->slot == (int)slot) {
			*device = i;
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_INVALID_DEVICE;
}

EXPORT int cuModuleGetLoadingMode(unsigned int *mode)
{
	enum { EAGER = 1, LAZY = 2 };
	int r = enter();
	if (!r && !mode)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r) {
		const char *want = getenv("CUDA_MODULE_LOADING");
		*mode = want && !strcmp(want, "EAGER") ? EAGER : LAZY;
	}
	return r;
}

/* A profiler would attach to the worker: there is none to start here, which is no error. */
EXPORT int cuProfilerInitialize(void) { return CUDA_ERROR_NOT_SUPPORTED; }
EXPORT int cuProfilerStart(void) { return enter_context(); }
EXPORT int cuProfilerStop(void) { return enter_context(); }
