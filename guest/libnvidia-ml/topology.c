// SPDX-License-Identifier: Apache-2.0
/* How vGPUs lie to each other: whether they reach each other, and whether over NVLinks. */
#include "nvml.h"

EXPORT int nvmlDeviceGetP2PStatus(nvml_device one, nvml_device other, unsigned int capability, unsigned int *status)
{
	enum { READ, WRITE, NVLINK, ATOMICS, PCI, UNKNOWN };
	enum { STATUS_OK = 0, STATUS_NOT_SUPPORTED = 5 };
	enum { LINK_P2P = 0, LINK_ATOMICS = 2 };
	int a, b, can = 0, r = nvml_device_index(one, &a);
	if (!r)
		r = nvml_device_index(other, &b);
	if (!r && (!status || capability > UNKNOWN))
		r = NVML_INVALID_ARGUMENT;
	if (r)
		return r;
	bool reach = a != b && !nvml.can_access_peer(&can, one->ordinal, other->ordinal) && can;
	if (capability == NVLINK || capability == ATOMICS)
		reach = reach && nvml_linked(one, other, capability == NVLINK ? LINK_P2P : LINK_ATOMICS);
	else if (capability != READ && capability != WRITE)
		reach = false; /* of PCI Express nothing is told */
	*status = reach ? STATUS_OK : STATUS_NOT_SUPPORTED;
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
