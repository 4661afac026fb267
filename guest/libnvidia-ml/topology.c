// SPDX-License-Identifier: Apache-2.0
/* How vGPUs lie to each other. Only whether they reach each other is known, not over which links. */
#include "nvml.h"

EXPORT int nvmlDeviceGetP2PStatus(nvml_device one, nvml_device other, unsigned int capability, unsigned int *status)
{
	enum { READ, WRITE, NVLINK, ATOMICS, PCI, PROP, UNKNOWN };
	enum { STATUS_OK = 0, STATUS_NOT_SUPPORTED = 5 };
	int a, b, can = 0, r = nvml_device_index(one, &a);
	if (!r)
		r = nvml_device_index(other, &b);
	if (!r && (!status || capability >= UNKNOWN))
		r = NVML_INVALID_ARGUMENT;
	if (r)
		return r;
	/* Which link lies between two vGPUs is not told, only whether they reach each other. */
	bool known = (capability == READ || capability == WRITE) && a != b;
	*status = known && !nvml.can_access_peer(&can, one->ordinal, other->ordinal) && can ? STATUS_OK : STATUS_NOT_SUPPORTED;
	return NVML_SUCCESS;
}

enum { LEVEL_INTERNAL = 0, LEVEL_SYSTEM = 50 };

/* SYSTEM promises the least: a way through the machine. */
static unsigned int level(int a, int b) { return a == b ? LEVEL_INTERNAL : LEVEL_SYSTEM; }

EXPORT int nvmlDeviceGetTopologyCommonAncestor(nvml_device one, nvml_device other, unsigned int *path)
{
	int a, b, r = nvml_device_index(one, &a);
	if (!r)
		r = nvml_device_index(other, &b);
	if (!r && !path)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*path = level(a, b);
	return r;
}
