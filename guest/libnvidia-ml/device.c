// SPDX-License-Identifier: Apache-2.0
/* Which vGPUs there are: handles, names, places. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nvml.h"

enum { UUID_TEXT = sizeof "GPU-00000000-0000-0000-0000-000000000000" };
enum { ATTRIBUTE_PCI_DEVICE_ID = 139, ATTRIBUTE_PCI_SUBSYSTEM_ID = 140 };

int nvml_device_index(nvml_device device, int *index)
{
	int r = nvml_ready();
	if (r)
		return r;
	uintptr_t offset = (uintptr_t)device - (uintptr_t)nvml.info.devices;
	if (offset % sizeof *device || offset / sizeof *device >= (uintptr_t)nvml.info.count)
		return NVML_INVALID_ARGUMENT;
	*index = (int)(offset / sizeof *device);
	return NVML_SUCCESS;
}

int nvml_attribute(nvml_device device, int attribute, int *value)
{
	int index, r = nvml_device_index(device, &index);
	if (r)
		return r;
	if (!value)
		return NVML_INVALID_ARGUMENT;
	return nvml.device_attribute(value, attribute, index) ? NVML_NOT_SUPPORTED : NVML_SUCCESS;
}

EXPORT int nvmlDeviceGetCount_v2(unsigned int *count)
{
	int r = nvml_ready();
	if (!r && !count)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*count = (unsigned)nvml.info.count;
	return r;
}

EXPORT int nvmlDeviceGetCount(unsigned int *count) { return nvmlDeviceGetCount_v2(count); }

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvml_device *device)
{
	int r = nvml_ready();
	if (!r && (!device || index >= (unsigned)nvml.info.count))
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*device = &nvml.info.devices[index];
	return r;
}

EXPORT int nvmlDeviceGetHandleByIndex(unsigned int index, nvml_device *device)
{
	return nvmlDeviceGetHandleByIndex_v2(index, device);
}

static void format_uuid(char text[UUID_TEXT], const uint8_t *u)
{
	snprintf(text, UUID_TEXT, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
		 u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

EXPORT int nvmlDeviceGetHandleByUUID(const char *uuid, nvml_device *device)
{
	int r = nvml_ready();
	if (r)
		return r;
	if (!uuid || !device)
		return NVML_INVALID_ARGUMENT;
	for (int i = 0; i < nvml.info.count; i++) {
		char text[UUID_TEXT];
		format_uuid(text, nvml.info.devices[i].uuid);
		if (!strcasecmp(text, uuid)) {
			*device = &nvml.info.devices[i];
			return NVML_SUCCESS;
		}
	}
	return NVML_NOT_FOUND;
}

/* Bus ids come as domain:bus:device.function, bus:device.function, or without the function. */
EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvml_device *device)
{
	unsigned int domain = 0, bus, slot;
	int r = nvml_ready();
	if (r)
		return r;
	if (!id || !device || (sscanf(id, "%8x:%2x:%2x", &domain, &bus, &slot) != 3 &&
			       (domain = 0, sscanf(id, "%2x:%2x", &bus, &slot) != 2)))
		return NVML_INVALID_ARGUMENT;
	for (int i = 0; i < nvml.info.count; i++) {
		const struct session_info_device *d = &nvml.info.devices[i];
		if ((unsigned)d->domain == domain && (unsigned)d->bus == bus && (unsigned)d->slot == slot) {
			*device = &nvml.info.devices[i];
			return NVML_SUCCESS;
		}
	}
	return NVML_NOT_FOUND;
}

EXPORT int nvmlDeviceGetHandleByPciBusId(const char *id, nvml_device *device)
{
	return nvmlDeviceGetHandleByPciBusId_v2(id, device);
}

EXPORT int nvmlDeviceGetIndex(nvml_device device, unsigned int *index)
{
	int i, r = nvml_device_index(device, &i);
	if (!r && !index)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*index = (unsigned)i;
	return r;
}

EXPORT int nvmlDeviceGetName(nvml_device device, char *name, unsigned int length)
{
	int i, r = nvml_device_index(device, &i);
	return r ? r : nvml_string(name, length, device->name);
}

EXPORT int nvmlDeviceGetUUID(nvml_device device, char *uuid, unsigned int length)
{
	char text[UUID_TEXT];
	int i, r = nvml_device_index(device, &i);
	if (r)
		return r;
	format_uuid(text, device->uuid);
	return nvml_string(uuid, length, text);
}

/* The third form of the structure; the first two are its beginning. */
struct pci_info {
	char legacy_id[16];
	unsigned int domain, bus, slot, device_id;
	unsigned int subsystem_id; /* from the second form on */
	char id[32]; /* from the third form on */
};

static int pci_info(nvml_device device, void *out, size_t size)
{
	struct pci_info p = {0};
	int i, value, r = nvml_device_index(device, &i);
	if (r)
		return r;
	if (!out)
		return NVML_INVALID_ARGUMENT;
	p.domain = (unsigned)device->domain;
	p.bus = (unsigned)device->bus & 0xff;
	p.slot = (unsigned)device->slot & 0xff;
	snprintf(p.legacy_id, sizeof p.legacy_id, "%04X:%02X:%02X.0", p.domain & 0xffff, p.bus, p.slot);
	snprintf(p.id, sizeof p.id, "%08X:%02X:%02X.0", p.domain, p.bus, p.slot);
	if (!nvml_attribute(device, ATTRIBUTE_PCI_DEVICE_ID, &value))
		p.device_id = (unsigned)value;
	if (!nvml_attribute(device, ATTRIBUTE_PCI_SUBSYSTEM_ID, &value))
		p.subsystem_id = (unsigned)value;
	memcpy(out, &p, size);
	return NVML_SUCCESS;
}

EXPORT int nvmlDeviceGetPciInfo_v3(nvml_device device, void *pci) { return pci_info(device, pci, sizeof(struct pci_info)); }
EXPORT int nvmlDeviceGetPciInfo_v2(nvml_device device, void *pci) { return pci_info(device, pci, offsetof(struct pci_info, id)); }
EXPORT int nvmlDeviceGetPciInfo(nvml_device device, void *pci)
{
	return pci_info(device, pci, offsetof(struct pci_info, subsystem_id));
}
