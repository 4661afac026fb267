// SPDX-License-Identifier: Apache-2.0
/* A libcuda.so.1 with two vGPUs; FAKE_RESULT makes it refuse. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../libcuda/session_info.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int fake_lines; /* logged */
EXPORT uint64_t fake_used;
EXPORT int fake_releases;

__attribute__((format(printf, 2, 3))) static void log_line(int level, const char *format, ...)
{
	(void)level;
	(void)format;
	fake_lines++;
}

EXPORT int orion_session(struct session_info *out, size_t size)
{
	const char *result = getenv("FAKE_RESULT");
	if (size != sizeof *out)
		return 1;
	if (result)
		return atoi(result);
	memset(out, 0, sizeof *out);
	out->cuda_version = 13000;
	out->count = 2;
	out->log = log_line;
	for (int i = 0; i < 2; i++) {
		struct session_info_device *d = &out->devices[i];
		for (int j = 0; j < 16; j++)
			d->uuid[j] = (uint8_t)(16 * (15 - j) + i);
		snprintf(d->name, sizeof d->name, "Test GPU %d", i);
		d->memory = 1000 << i;
		d->used = i ? fake_used : 0;
		d->domain = i;
		d->bus = 0xa0 + i;
		d->slot = 0x1f;
		d->ordinal = 1 - i; /* CUDA_VISIBLE_DEVICES=1,0 */
	}
	return 0;
}

EXPORT void orion_session_release(void) { fake_releases++; }

/* The first GPU tells all, the second only its driver, as a software GPU does. */
EXPORT int orion_gpu_state(int device, struct gpu_state *out, size_t size)
{
	if (size != sizeof *out)
		return 1;
	memset(out, device ? 0 : 0xff, sizeof *out);
	if (device)
		*out = (struct gpu_state){.busy = 87, .memory_busy = 41, .temperature = 36, .power = 312500, .power_limit = 700000,
					  .enforced_limit = 650000, .clock_graphics = 1980, .clock_sm = 1979, .clock_memory = 3201, .clock_video = 1545,
					  .performance = 0, .link_generation = 4, .link_width = 16, .max_link_generation = 5, .max_link_width = 16,
					  .brand = 14, .persistent = 1, .energy = 1ull << 40};
	strcpy(out->branch, device ? "r580_00" : "");
	strcpy(out->driver, "580.159.04");
	return 0;
}

/* What a machine of two H200 has behind NVSwitches, and what two GPUs with a bridge have. */
EXPORT int fake_links; /* which of these, 0 for neither */

EXPORT int orion_gpu_links(int device, struct gpu_link *out, size_t size)
{
	enum { NONE, SWITCHES, BRIDGE };
	enum { CAPABILITIES = 0x2f };
	if (size != GPU_LINKS * sizeof *out)
		return 1;
	memset(out, 0xff, size);
	int i = 1 - device; /* of this GPU, see orion_session */
	for (int n = 0; fake_links == SWITCHES && n < 18; n++)
		out[n] = (struct gpu_link){1, CAPABILITIES, 6, 26562, 2, 0, 0x07 + n / 5, 0, 0x22a310de, 0x179610de};
	for (int n = 0; fake_links == BRIDGE && n < 4; n++)
		out[n] = (struct gpu_link){1, CAPABILITIES, 5, 25781, 0, 1 - i, 0xa1 - i, 0x1f, 0x20b010de, 0x145f10de};
	if (fake_links == BRIDGE)
		out[1] = (struct gpu_link){0, CAPABILITIES, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u}; /* down */
	if (fake_links == BRIDGE && device)
		memset(&out[2], 0xff, sizeof *out); /* to a GPU of others */
	return 0;
}

EXPORT int orion_device_attribute(int *value, int attribute, int device)
{
	static const struct {
		int attribute, value[2];
	} attributes[] = {
		{13, {1980000, 1410000}}, {16, {132, 108}}, {20, {0, 0}}, {32, {1, 0}}, {36, {2619000, 1215000}}, {37, {5120, 5120}},
		{75, {9, 14}}, {76, {0, 0}}, {84, {0, 0}}, {139, {0x233510de, 0x20b010de}},
	};
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
		if (attributes[i].attribute == attribute) {
			*value = attributes[i].value[1 - device];
			return 0;
		}
	}
	return 1;
}

EXPORT int cuDeviceCanAccessPeer(int *can, int device, int peer)
{
	*can = device != peer;
	return 0;
}
