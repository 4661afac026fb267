// SPDX-License-Identifier: Apache-2.0
/* What the GPU behind a vGPU is: all from CUDA's device attributes, and from nothing else. */
#include "nvml.h"

enum { /* of CUdevice_attribute */
	ATTRIBUTE_CLOCK_KHZ = 13,
	ATTRIBUTE_MULTIPROCESSORS = 16,
	ATTRIBUTE_COMPUTE_MODE = 20,
	ATTRIBUTE_ECC = 32,
	ATTRIBUTE_MEMORY_CLOCK_KHZ = 36,
	ATTRIBUTE_MEMORY_BUS_WIDTH = 37,
	ATTRIBUTE_MAJOR = 75,
	ATTRIBUTE_MINOR = 76,
	ATTRIBUTE_MULTI_GPU_BOARD = 84,
};

EXPORT int nvmlDeviceGetCudaComputeCapability(nvml_device device, int *major, int *minor)
{
	int r = nvml_attribute(device, ATTRIBUTE_MAJOR, major);
	return r ? r : nvml_attribute(device, ATTRIBUTE_MINOR, minor);
}

/* Architectures by the first compute capability of each, and the FP32 lanes of a multiprocessor. */
static const struct {
	int capability, architecture, lanes;
} generations[] = {
	{30, 2, 192}, /* Kepler */
	{50, 3, 128}, /* Maxwell */
	{60, 4, 64}, /* Pascal */
	{61, 4, 128},
	{70, 5, 64}, /* Volta */
	{75, 6, 64}, /* Turing */
	{80, 7, 64}, /* Ampere */
	{86, 7, 128},
	{89, 8, 128}, /* Ada */
	{90, 9, 128}, /* Hopper */
	{100, 10, 128}, /* Blackwell */
	{130, 0, 0}, /* not known yet */
};

static int generation(nvml_device device, int *architecture, int *lanes)
{
	int major, minor, r = nvmlDeviceGetCudaComputeCapability(device, &major, &minor);
	if (r)
		return r;
	r = NVML_NOT_SUPPORTED;
	for (unsigned int i = 0; i < sizeof generations / sizeof *generations; i++) {
		if (10 * major + minor >= generations[i].capability) {
			*architecture = generations[i].architecture;
			*lanes = generations[i].lanes;
			r = *lanes ? NVML_SUCCESS : NVML_NOT_SUPPORTED;
		}
	}
	return r;
}

EXPORT int nvmlDeviceGetArchitecture(nvml_device device, unsigned int *architecture)
{
	int a, lanes, r = generation(device, &a, &lanes);
	if (!r && !architecture)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*architecture = (unsigned)a;
	return r;
}

EXPORT int nvmlDeviceGetNumGpuCores(nvml_device device, unsigned int *cores)
{
	int a, lanes, multiprocessors, r = generation(device, &a, &lanes);
	if (!r)
		r = nvml_attribute(device, ATTRIBUTE_MULTIPROCESSORS, &multiprocessors);
	if (!r && !cores)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*cores = (unsigned)(multiprocessors * lanes);
	return r;
}

EXPORT int nvmlDeviceGetMemoryBusWidth(nvml_device device, unsigned int *bits)
{
	return nvml_attribute(device, ATTRIBUTE_MEMORY_BUS_WIDTH, (int *)bits);
}

EXPORT int nvmlDeviceGetComputeMode(nvml_device device, int *mode)
{
	return nvml_attribute(device, ATTRIBUTE_COMPUTE_MODE, mode);
}

EXPORT int nvmlDeviceGetMultiGpuBoard(nvml_device device, unsigned int *multi)
{
	return nvml_attribute(device, ATTRIBUTE_MULTI_GPU_BOARD, (int *)multi);
}

EXPORT int nvmlDeviceGetEccMode(nvml_device device, int *current, int *pending)
{
	int r = nvml_attribute(device, ATTRIBUTE_ECC, current);
	if (!r && !pending)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*pending = *current;
	return r;
}

EXPORT int nvmlDeviceGetMaxClockInfo(nvml_device device, unsigned int type, unsigned int *mhz)
{
	enum { GRAPHICS, SM, MEMORY };
	int khz, i, r = nvml_device_index(device, &i);
	if (r)
		return r;
	if (!mhz)
		return NVML_INVALID_ARGUMENT;
	if (type > MEMORY)
		return NVML_NOT_SUPPORTED;
	r = nvml_attribute(device, type == MEMORY ? ATTRIBUTE_MEMORY_CLOCK_KHZ : ATTRIBUTE_CLOCK_KHZ, &khz);
	if (!r)
		*mhz = (unsigned)khz / 1000;
	return r;
}

static int disabled(nvml_device device, int *state)
{
	int i, r = nvml_device_index(device, &i);
	if (!r && !state)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*state = 0;
	return r;
}

/* A vGPU has no display, and is no MIG slice. */
EXPORT int nvmlDeviceGetDisplayMode(nvml_device device, int *mode) { return disabled(device, mode); }
EXPORT int nvmlDeviceGetDisplayActive(nvml_device device, int *active) { return disabled(device, active); }
EXPORT int nvmlDeviceIsMigDeviceHandle(nvml_device device, unsigned int *is) { return disabled(device, (int *)is); }
EXPORT int nvmlDeviceGetMaxMigDeviceCount(nvml_device device, unsigned int *n) { return disabled(device, (int *)n); }

/* A share of a GPU, as NVIDIA's own vGPUs are: what this says is that the GPU is not the program's alone. */
EXPORT int nvmlDeviceGetVirtualizationMode(nvml_device device, unsigned int *mode)
{
	enum { VGPU = 2 };
	int r = disabled(device, (int *)mode);
	if (!r)
		*mode = VGPU;
	return r;
}

struct capabilities {
	unsigned int version, mask;
};

/* One is defined, to use another machine's memory. */
EXPORT int nvmlDeviceGetCapabilities(nvml_device device, struct capabilities *c)
{
	if (!c)
		return NVML_INVALID_ARGUMENT;
	if (c->version != NVML_VERSION(*c, 1))
		return NVML_VERSION_MISMATCH;
	return disabled(device, (int *)&c->mask);
}

/* The beginning of all forms of the structure. */
struct licensable_features {
	int supported;
	unsigned int count;
};

/* NVIDIA's vGPUs need a licence for what they are to do; these do not know any. */
static int no_licences(nvml_device device, struct licensable_features *f)
{
	int i, r = nvml_device_index(device, &i);
	if (!r && !f)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*f = (struct licensable_features){0};
	return r;
}

#define NO_LICENCES(name) EXPORT int name(nvml_device device, struct licensable_features *f) { return no_licences(device, f); }

NO_LICENCES(nvmlDeviceGetGridLicensableFeatures)
NO_LICENCES(nvmlDeviceGetGridLicensableFeatures_v2)
NO_LICENCES(nvmlDeviceGetGridLicensableFeatures_v3)
NO_LICENCES(nvmlDeviceGetGridLicensableFeatures_v4)
