// SPDX-License-Identifier: Apache-2.0
/* What is asked of the machine and not of a GPU. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../libcuda/release.h"
#include "nvml.h"

EXPORT int nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
	return nvml_string(version, length, "13." ORION_RELEASE); /* 13: the interface that this follows */
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	int r = nvml_ready();
	if (!r && !version)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*version = nvml.info.cuda_version;
	return r;
}

EXPORT int nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

/* The command that a process of this machine was started by, cut to what there is room for. */
EXPORT int nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
	char path[32];
	int r = nvml_ready();
	if (!r && (!name || !length))
		r = NVML_INVALID_ARGUMENT;
	if (r)
		return r;
	snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NVML_NOT_FOUND;
	ssize_t n = read(fd, name, length - 1);
	close(fd);
	if (n < 0)
		return NVML_NOT_FOUND;
	name[n] = 0;
	return NVML_SUCCESS;
}

/* Confidential computing is off: the host of the GPU reads what programs write. */
EXPORT int nvmlSystemGetConfComputeState(void *state)
{
	enum { BYTES = 3 * sizeof(unsigned int) };
	int r = nvml_ready();
	if (!r && !state)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		memset(state, 0, BYTES);
	return r;
}

struct conf_compute_settings {
	unsigned int version, environment, feature, developer_tools, several_gpus;
};

EXPORT int nvmlSystemGetConfComputeSettings(struct conf_compute_settings *s)
{
	int r = nvml_ready();
	if (!r && !s)
		r = NVML_INVALID_ARGUMENT;
	if (!r && s->version != NVML_VERSION(*s, 1))
		r = NVML_VERSION_MISMATCH;
	if (!r)
		*s = (struct conf_compute_settings){.version = s->version};
	return r;
}

/* Counts of what a machine with vGPUs has none of. */
#define NONE(name) \
	EXPORT int name(unsigned int *count) \
	{ \
		int r = nvml_ready(); \
		if (!r && !count) \
			r = NVML_INVALID_ARGUMENT; \
		if (!r) \
			*count = 0; \
		return r; \
	}

NONE(nvmlUnitGetCount)
NONE(nvmlGetExcludedDeviceCount)

EXPORT int nvmlSystemGetHicVersion(unsigned int *count, void *entries)
{
	(void)entries;
	return nvmlUnitGetCount(count);
}
