// SPDX-License-Identifier: Apache-2.0
/* Where a GPU is: its place on the bus of the machine that has it. */
#include <stdio.h>
#include <string.h>

#include "nvml.h"

enum { ATTRIBUTE_PCI_DEVICE_ID = 139, ATTRIBUTE_PCI_SUBSYSTEM_ID = 140 };

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

/* The third form of the structure; the first two are its beginning. */
struct pci_info {
	char legacy_id[16];
	unsigned int domain, bus, slot, device_id;
	unsigned int subsystem_id; /* from the second form on */
	char id[32]; /* from the third form on */
};

static struct pci_info pci_of(unsigned int domain, unsigned int bus, unsigned int slot, unsigned int device_id, unsigned int subsystem_id)
{
	struct pci_info p = {.domain = domain, .bus = bus & 0xff, .slot = slot & 0xff, .device_id = device_id, .subsystem_id = subsystem_id};
	snprintf(p.legacy_id, sizeof p.legacy_id, "%04X:%02X:%02X.0", p.domain & 0xffff, p.bus, p.slot);
	snprintf(p.id, sizeof p.id, "%08X:%02X:%02X.0", p.domain, p.bus, p.slot);
	return p;
}

void nvml_pci_write(void *out, enum nvml_pci_form form, unsigned int domain, unsigned int bus, unsigned int slot, unsigned int device_id,
		    unsigned int subsystem_id)
{
	static const size_t sizes[] = {offsetof(struct pci_info, subsystem_id), offsetof(struct pci_info, id), sizeof(struct pci_info)};
	struct pci_info p = pci_of(domain, bus, slot, device_id, subsystem_id);
	memcpy(out, &p, sizes[form]);
}

static int describe_pci(nvml_device device, struct pci_info *p)
{
	int i, id = 0, subsystem = 0, r = nvml_device_index(device, &i);
	if (r)
		return r;
	nvml_attribute(device, ATTRIBUTE_PCI_DEVICE_ID, &id);
	nvml_attribute(device, ATTRIBUTE_PCI_SUBSYSTEM_ID, &subsystem);
	*p = pci_of((unsigned)device->domain, (unsigned)device->bus, (unsigned)device->slot, (unsigned)id, (unsigned)subsystem);
	return NVML_SUCCESS;
}

static int pci_info(nvml_device device, void *out, enum nvml_pci_form form)
{
	struct pci_info p;
	if (!out)
		return NVML_INVALID_ARGUMENT;
	int r = describe_pci(device, &p);
	if (!r)
		nvml_pci_write(out, form, p.domain, p.bus, p.slot, p.device_id, p.subsystem_id);
	return r;
}

EXPORT int nvmlDeviceGetPciInfo_v3(nvml_device device, void *pci) { return pci_info(device, pci, NVML_PCI_V3); }
EXPORT int nvmlDeviceGetPciInfo_v2(nvml_device device, void *pci) { return pci_info(device, pci, NVML_PCI_V2); }
EXPORT int nvmlDeviceGetPciInfo(nvml_device device, void *pci) { return pci_info(device, pci, NVML_PCI_V1); }

struct pci_info_ext {
	unsigned int version, domain, bus, slot, device_id, subsystem_id, base_class, sub_class;
	char id[32];
};

EXPORT int nvmlDeviceGetPciInfoExt(nvml_device device, struct pci_info_ext *out)
{
	enum { DISPLAY_CONTROLLER = 3, WITHOUT_DISPLAY = 2 };
	struct pci_info p;
	if (!out)
		return NVML_INVALID_ARGUMENT;
	if (out->version != NVML_VERSION(*out, 1))
		return NVML_VERSION_MISMATCH;
	int r = describe_pci(device, &p);
	if (r)
		return r;
	*out = (struct pci_info_ext){out->version, p.domain, p.bus, p.slot, p.device_id, p.subsystem_id, DISPLAY_CONTROLLER, WITHOUT_DISPLAY, {0}};
	memcpy(out->id, p.id, sizeof out->id);
	return NVML_SUCCESS;
}
