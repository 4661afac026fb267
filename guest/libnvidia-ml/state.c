// SPDX-License-Identifier: Apache-2.0
/* What the GPU behind a vGPU does now, and what it draws: the GPU's as a whole, which others may share. */
#include <string.h>

#include "nvml.h"

static int state(nvml_device device, struct gpu_state *s)
{
	int i, r = nvml_device_index(device, &i);
	if (r)
		return r;
	return nvml.gpu_state(device->ordinal, s, sizeof *s) ? NVML_NOT_SUPPORTED : NVML_SUCCESS;
}

/* One number of the state, by its offset. */
static int number(nvml_device device, size_t offset, unsigned int *value)
{
	struct gpu_state s;
	int r = state(device, &s);
	if (!r && !value)
		r = NVML_INVALID_ARGUMENT;
	if (r)
		return r;
	uint32_t v;
	memcpy(&v, (const char *)&s + offset, sizeof v);
	if (v == GPU_UNKNOWN)
		return NVML_NOT_SUPPORTED;
	*value = v;
	return NVML_SUCCESS;
}

#define NUMBER(function, field) \
	EXPORT int function(nvml_device device, unsigned int *value) { return number(device, offsetof(struct gpu_state, field), value); }

NUMBER(nvmlDeviceGetPowerUsage, power)
NUMBER(nvmlDeviceGetPowerManagementLimit, power_limit)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, enforced_limit)
NUMBER(nvmlDeviceGetPerformanceState, performance)
NUMBER(nvmlDeviceGetPowerState, performance)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, link_generation)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, link_width)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, max_link_generation)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, max_link_width)
NUMBER(nvmlDeviceGetBrand, brand)
NUMBER(nvmlDeviceGetPersistenceMode, persistent)

EXPORT int nvmlDeviceGetTotalEnergyConsumption(nvml_device device, unsigned long long *millijoules)
{
	struct gpu_state s;
	int r = state(device, &s);
	if (!r && !millijoules)
		r = NVML_INVALID_ARGUMENT;
	if (!r && s.energy == UINT64_MAX)
		r = NVML_NOT_SUPPORTED;
	if (!r)
		*millijoules = s.energy;
	return r;
}

struct utilization {
	unsigned int gpu, memory; /* percent */
};

EXPORT int nvmlDeviceGetUtilizationRates(nvml_device device, struct utilization *u)
{
	struct gpu_state s;
	int r = state(device, &s);
	if (!r && !u)
		r = NVML_INVALID_ARGUMENT;
	if (r)
		return r;
	if (s.busy == GPU_UNKNOWN || s.memory_busy == GPU_UNKNOWN)
		return NVML_NOT_SUPPORTED;
	*u = (struct utilization){s.busy, s.memory_busy};
	return NVML_SUCCESS;
}

EXPORT int nvmlDeviceGetTemperature(nvml_device device, unsigned int sensor, unsigned int *celsius)
{
	return sensor ? NVML_INVALID_ARGUMENT : number(device, offsetof(struct gpu_state, temperature), celsius);
}

struct temperature {
	unsigned int version, sensor;
	int celsius;
};

EXPORT int nvmlDeviceGetTemperatureV(nvml_device device, struct temperature *t)
{
	if (!t)
		return NVML_INVALID_ARGUMENT;
	if (t->version != NVML_VERSION(*t, 1))
		return NVML_VERSION_MISMATCH;
	return nvmlDeviceGetTemperature(device, t->sensor, (unsigned int *)&t->celsius);
}

enum { CLOCK_GRAPHICS, CLOCK_SM, CLOCK_MEMORY, CLOCK_VIDEO, CLOCKS };

EXPORT int nvmlDeviceGetClockInfo(nvml_device device, unsigned int which, unsigned int *mhz)
{
	static const size_t fields[CLOCKS] = {
		[CLOCK_GRAPHICS] = offsetof(struct gpu_state, clock_graphics),
		[CLOCK_SM] = offsetof(struct gpu_state, clock_sm),
		[CLOCK_MEMORY] = offsetof(struct gpu_state, clock_memory),
		[CLOCK_VIDEO] = offsetof(struct gpu_state, clock_video),
	};
	return which < CLOCKS ? number(device, fields[which], mhz) : NVML_INVALID_ARGUMENT;
}

EXPORT int nvmlDeviceGetClock(nvml_device device, unsigned int which, unsigned int id, unsigned int *mhz)
{
	enum { CURRENT };
	return id == CURRENT ? nvmlDeviceGetClockInfo(device, which, mhz) : NVML_NOT_SUPPORTED;
}

EXPORT int nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
	struct gpu_state s;
	int r = nvml_ready();
	if (!r)
		r = state(&nvml.info.devices[0], &s);
	return r ? r : nvml_string(version, length, s.driver);
}

struct driver_branch {
	unsigned int version;
	char branch[80];
};

EXPORT int nvmlSystemGetDriverBranch(struct driver_branch *out, unsigned int length)
{
	struct gpu_state s;
	int r = nvml_ready();
	if (!r && !out)
		r = NVML_INVALID_ARGUMENT;
	if (!r && out->version != NVML_VERSION(*out, 1))
		r = NVML_VERSION_MISMATCH;
	if (!r)
		r = state(&nvml.info.devices[0], &s);
	if (!r && !*s.branch)
		r = NVML_NOT_SUPPORTED;
	return r ? r : nvml_string(out->branch, length < sizeof out->branch ? length : sizeof out->branch, s.branch);
}

/* Fields are asked for many at a time; each has a result of its own. */
struct field_value {
	unsigned int field, scope;
	int64_t timestamp, latency_us;
	unsigned int type;
	int result;
	uint64_t value;
};

EXPORT int nvmlDeviceGetFieldValues(nvml_device device, int count, struct field_value *values)
{
	enum { ENERGY = 83, POWER_AVERAGE = 185, POWER_INSTANT = 186, ENFORCED_LIMIT = 190, POWER_LIMIT = 192 };
	enum { SCOPE_GPU, UNSIGNED_INT = 1, UNSIGNED_LONG_LONG = 3 };
	int i, r = nvml_device_index(device, &i);
	if (!r && (!values || count < 0))
		r = NVML_INVALID_ARGUMENT;
	for (i = 0; !r && i < count; i++) {
		struct field_value *v = &values[i];
		unsigned int value = 0;
		unsigned long long large = 0;
		v->result = NVML_NOT_SUPPORTED;
		if (nvml_link_field(device, v->field, v->scope, &v->result, &value)) {
			v->type = UNSIGNED_INT;
			v->value = value;
			continue;
		}
		if (v->scope != SCOPE_GPU)
			continue;
		switch (v->field) {
		case ENERGY:
			v->result = nvmlDeviceGetTotalEnergyConsumption(device, &large);
			break;
		case POWER_AVERAGE:
		case POWER_INSTANT:
			v->result = nvmlDeviceGetPowerUsage(device, &value);
			break;
		case ENFORCED_LIMIT:
			v->result = nvmlDeviceGetEnforcedPowerLimit(device, &value);
			break;
		case POWER_LIMIT:
			v->result = nvmlDeviceGetPowerManagementLimit(device, &value);
			break;
		}
		v->type = v->field == ENERGY ? UNSIGNED_LONG_LONG : UNSIGNED_INT;
		v->value = v->field == ENERGY ? large : value;
	}
	return r;
}
