// SPDX-License-Identifier: Apache-2.0
/* NVLinks: those of the GPU behind a vGPU that lead to a switch, or to another of this program's GPUs. */
#include "nvml.h"

static int all(nvml_device device, struct gpu_link links[GPU_LINKS])
{
	int i, r = nvml_device_index(device, &i);
	if (!r && nvml.gpu_links(device->ordinal, links, GPU_LINKS * sizeof *links))
		r = NVML_NOT_SUPPORTED;
	return r;
}

static int at(nvml_device device, unsigned int number, struct gpu_link *link)
{
	struct gpu_link links[GPU_LINKS];
	int r = all(device, links);
	if (!r && number >= GPU_LINKS)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*link = links[number];
	return r;
}

static unsigned int count(nvml_device device)
{
	struct gpu_link links[GPU_LINKS];
	unsigned int n = all(device, links) ? 0 : GPU_LINKS;
	while (n && links[n - 1].active == GPU_UNKNOWN)
		n--;
	return n;
}

/* The link of this number, where there is one. */
static int present(nvml_device device, unsigned int number, struct gpu_link *link)
{
	int r = at(device, number, link);
	return !r && link->active == GPU_UNKNOWN ? NVML_NOT_SUPPORTED : r;
}

static int give(int r, uint32_t value, unsigned int *out)
{
	if (!r && !out)
		r = NVML_INVALID_ARGUMENT;
	if (!r && value == GPU_UNKNOWN)
		r = NVML_NOT_SUPPORTED;
	if (!r)
		*out = value;
	return r;
}

EXPORT int nvmlDeviceGetNvLinkState(nvml_device device, unsigned int number, unsigned int *active)
{
	struct gpu_link l;
	int r = present(device, number, &l);
	return give(r, r ? 0 : l.active, active);
}

EXPORT int nvmlDeviceGetNvLinkVersion(nvml_device device, unsigned int number, unsigned int *version)
{
	struct gpu_link l;
	int r = present(device, number, &l);
	return give(r, r ? 0 : l.version, version);
}

/* Of a GPU with links, one that is not there has no capability, that of being valid among them. */
EXPORT int nvmlDeviceGetNvLinkCapability(nvml_device device, unsigned int number, unsigned int capability, unsigned int *has)
{
	enum { VALID = 5 };
	struct gpu_link l;
	int r = at(device, number, &l);
	if (!r && capability > VALID)
		r = NVML_INVALID_ARGUMENT;
	if (!r && !count(device))
		r = NVML_NOT_SUPPORTED;
	return give(r, r || l.active == GPU_UNKNOWN ? 0 : l.capabilities >> capability & 1, has);
}

EXPORT int nvmlDeviceGetNvLinkRemoteDeviceType(nvml_device device, unsigned int number, unsigned int *type)
{
	struct gpu_link l;
	int r = present(device, number, &l);
	return give(r, r ? 0 : l.remote_type, type);
}

static int remote(nvml_device device, unsigned int number, void *out, enum nvml_pci_form form)
{
	struct gpu_link l;
	int r = present(device, number, &l);
	if (!r && !out)
		r = NVML_INVALID_ARGUMENT;
	if (!r && l.remote_bus == GPU_UNKNOWN)
		r = NVML_NOT_SUPPORTED;
	if (!r)
		nvml_pci_write(out, form, l.remote_domain, l.remote_bus, l.remote_slot, l.remote_id, l.remote_subsystem);
	return r;
}

EXPORT int nvmlDeviceGetNvLinkRemotePciInfo_v2(nvml_device device, unsigned int number, void *pci)
{
	return remote(device, number, pci, NVML_PCI_V3);
}

EXPORT int nvmlDeviceGetNvLinkRemotePciInfo(nvml_device device, unsigned int number, void *pci)
{
	return remote(device, number, pci, NVML_PCI_V2);
}

static bool carries(const struct gpu_link *l, unsigned int capability)
{
	return l->active == 1 && l->capabilities >> capability & 1;
}

/* By a link between them, or since both have links to switches, which connect all that they lead to. */
bool nvml_linked(nvml_device one, nvml_device other, unsigned int capability)
{
	enum { SWITCH = 2 };
	struct gpu_link from[GPU_LINKS], to[GPU_LINKS];
	bool out = false, in = false;
	if (all(one, from) || all(other, to))
		return false;
	for (int n = 0; n < GPU_LINKS; n++) {
		const struct gpu_link *l = &from[n];
		if (carries(l, capability) && (int)l->remote_domain == other->domain && (int)l->remote_bus == other->bus &&
		    (int)l->remote_slot == other->slot)
			return true;
		out = out || (carries(l, capability) && l->remote_type == SWITCH);
		in = in || (carries(&to[n], capability) && to[n].remote_type == SWITCH);
	}
	return out && in;
}

/* The fields of links, beside those of state.c: 91 counts them, 164 to 166 are of the link that the scope names, others
 * are the speed of the link of that number, or of any. */
bool nvml_link_field(nvml_device device, unsigned int field, unsigned int scope, int *result, unsigned int *value)
{
	enum { SPEED_L0 = 84, SPEED_L5 = 89, SPEED_COMMON = 90, COUNT = 91, SPEED_L6 = 132, SPEED_L11 = 137, SPEED = 164, STATE = 165, VERSION = 166 };
	struct gpu_link l;
	unsigned int number = scope;
	if (field >= SPEED_L0 && field <= SPEED_L5)
		number = field - SPEED_L0;
	else if (field >= SPEED_L6 && field <= SPEED_L11)
		number = field - SPEED_L6 + 6;
	else if (field == SPEED_COMMON)
		number = 0;
	else if (field != COUNT && field != SPEED && field != STATE && field != VERSION)
		return false;
	if (field == COUNT) {
		*value = count(device);
		*result = *value ? NVML_SUCCESS : NVML_NOT_SUPPORTED;
		return true;
	}
	*result = present(device, number, &l);
	if (!*result)
		*result = give(NVML_SUCCESS, field == STATE ? l.active : field == VERSION ? l.version : l.speed, value);
	return true;
}
