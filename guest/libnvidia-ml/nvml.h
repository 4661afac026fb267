// SPDX-License-Identifier: Apache-2.0
/* The part of NVML's binary interface that is served here, written from its public documentation. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "../libcuda/session_info.h"

#define EXPORT __attribute__((visibility("default")))

enum nvml_result {
	NVML_SUCCESS = 0,
	NVML_UNINITIALIZED = 1,
	NVML_INVALID_ARGUMENT = 2,
	NVML_NOT_SUPPORTED = 3,
	NVML_NO_PERMISSION = 4,
	NVML_NOT_FOUND = 6,
	NVML_INSUFFICIENT_SIZE = 7,
	NVML_DRIVER_NOT_LOADED = 9,
	NVML_TIMEOUT = 10,
	NVML_FUNCTION_NOT_FOUND = 13,
	NVML_GPU_IS_LOST = 15,
	NVML_MEMORY = 20,
	NVML_VERSION_MISMATCH = 25,
	NVML_UNKNOWN = 999,
};

/* A handle is the address of an element of nvml.info.devices. */
typedef struct session_info_device *nvml_device;

/* What the first field of a structure says that can grow: its size and its form. */
#define NVML_VERSION(structure, form) ((unsigned int)(sizeof(structure) | (form) << 24))

/* A process that uses a GPU; of the third form of the functions, too. */
struct process_v2 {
	unsigned int pid;
	uint64_t used; /* bytes */
	unsigned int gpu_instance, compute_instance; /* of MIG */
};

/* What is known once nvmlInit has succeeded. */
struct nvml {
	int users; /* nvmlInit less nvmlShutdown */
	int pid; /* of the process that has the session */
	struct session_info info;
	int (*session)(struct session_info *, size_t);
	void (*release)(void);
	int (*gpu_state)(int device, struct gpu_state *, size_t);
	int (*gpu_links)(int device, struct gpu_link *, size_t);
	int (*device_attribute)(int *value, int attribute, int device);
	int (*can_access_peer)(int *can, int device, int peer);
};

extern struct nvml nvml;

/* NVML_SUCCESS between nvmlInit and nvmlShutdown. */
int nvml_ready(void);
/* Checks a handle, and tells its index. */
int nvml_device_index(nvml_device device, int *index);
/* A CUdevice_attribute of the GPU; NVML_NOT_SUPPORTED if it has none. */
int nvml_attribute(nvml_device device, int attribute, int *value);
/* Copies a string out, or NVML_INSUFFICIENT_SIZE. */
int nvml_string(char *to, unsigned int length, const char *from);
/* Writes an nvmlPciInfo_t of one of its forms. */
enum nvml_pci_form { NVML_PCI_V1, NVML_PCI_V2, NVML_PCI_V3 };
void nvml_pci_write(void *out, enum nvml_pci_form form, unsigned int domain, unsigned int bus, unsigned int slot, unsigned int device_id,
		    unsigned int subsystem_id);
/* Whether two vGPUs reach each other over NVLinks that have a capability. */
bool nvml_linked(nvml_device one, nvml_device other, unsigned int capability);
/* A field of NVLinks, for nvmlDeviceGetFieldValues; false if it is no such field. */
bool nvml_link_field(nvml_device device, unsigned int field, unsigned int scope, int *result, unsigned int *value);
/* Logs a function that a vGPU does not serve, once, and returns the result. */
int nvml_refused(const char *function, int *once, int result);

/* Exported functions that other files call too. */
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvml_device *device);
int nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvml_device *device);
int nvmlDeviceGetComputeRunningProcesses_v3(nvml_device device, unsigned int *n, struct process_v2 *p);
int nvmlDeviceGetGraphicsRunningProcesses_v3(nvml_device device, unsigned int *n, void *p);
int nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length);
