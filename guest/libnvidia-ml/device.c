// SPDX-License-Identifier: Apache-2.0
/* Which vGPUs there are: handles, names, identities. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nvml.h"

enum { UUID_TEXT = sizeof "GPU-00000000-0000-0000-0000-000000000000" };

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
	return nvml.device_attribute(value, attribute, device->ordinal) ? NVML_NOT_SUPPORTED : NVML_SUCCESS;
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
		if (!strcasecmp(text, uuid) || !strcasecmp(text + sizeof "GPU-" - 1, uuid)) { /* NVML takes both */
			*device = &nvml.info.devices[i];
			return NVML_SUCCESS;
		}
	}
	return NVML_NOT_FOUND;
}

struct uuid_v1 {
	unsigned int version, type;
	union {
		char text[41];
		uint8_t bytes[16];
	} value;
};

EXPORT int nvmlDeviceGetHandleByUUIDV(const struct uuid_v1 *uuid, nvml_device *device)
{
	enum { TEXT = 1, BINARY = 2 };
	char text[UUID_TEXT];
	if (!uuid)
		return NVML_INVALID_ARGUMENT;
	if (uuid->version != NVML_VERSION(*uuid, 1))
		return NVML_VERSION_MISMATCH;
	if (uuid->type == BINARY)
		format_uuid(text, uuid->value.bytes);
	else if (uuid->type == TEXT)
		snprintf(text, sizeof text, "%.*s", (int)sizeof uuid->value.text, uuid->value.text);
	else
		return NVML_INVALID_ARGUMENT;
	return nvmlDeviceGetHandleByUUID(text, device);
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
