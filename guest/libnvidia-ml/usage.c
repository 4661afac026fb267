// SPDX-License-Identifier: Apache-2.0
/* Memory and processes: a vGPU's memory is its quota, and the only process that it knows is this one. */
#include <unistd.h>

#include "nvml.h"

/* What is in use now; the rest of the information does not change. */
static int memory(nvml_device device, uint64_t *total, uint64_t *used)
{
	struct session_info now;
	int i, r = nvml_device_index(device, &i);
	if (r)
		return r;
	if (nvml.session(&now, sizeof now))
		return NVML_GPU_IS_LOST;
	*total = now.devices[i].memory;
	*used = now.devices[i].used < *total ? now.devices[i].used : *total;
	return NVML_SUCCESS;
}

struct memory_v1 {
	uint64_t total, free, used;
};

EXPORT int nvmlDeviceGetMemoryInfo(nvml_device device, struct memory_v1 *m)
{
	uint64_t total, used;
	int r = m ? memory(device, &total, &used) : NVML_INVALID_ARGUMENT;
	if (!r)
		*m = (struct memory_v1){.total = total, .free = total - used, .used = used};
	return r;
}

struct memory_v2 {
	unsigned int version;
	uint64_t total, reserved, free, used;
};

EXPORT int nvmlDeviceGetMemoryInfo_v2(nvml_device device, struct memory_v2 *m)
{
	uint64_t total, used;
	if (!m)
		return NVML_INVALID_ARGUMENT;
	if (m->version != NVML_VERSION(*m, 2))
		return NVML_VERSION_MISMATCH;
	int r = memory(device, &total, &used);
	if (!r) {
		m->total = total;
		m->reserved = 0;
		m->free = total - used;
		m->used = used;
	}
	return r;
}

struct process_v1 {
	unsigned int pid;
	uint64_t used;
};

/* Room for n processes is asked for in *n, and told back; NULL where there is none. */
static int compute_processes(nvml_device device, unsigned int *n, struct process_v2 *p)
{
	uint64_t total, used;
	int r = n ? memory(device, &total, &used) : NVML_INVALID_ARGUMENT;
	if (r)
		return r;
	unsigned int room = *n;
	*n = used ? 1 : 0;
	if (room < *n)
		return NVML_INSUFFICIENT_SIZE;
	if (*n && !p)
		return NVML_INVALID_ARGUMENT;
	if (*n)
		*p = (struct process_v2){(unsigned)getpid(), used, UINT32_MAX, UINT32_MAX};
	return NVML_SUCCESS;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(nvml_device device, unsigned int *n, struct process_v2 *p)
{
	return compute_processes(device, n, p);
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v2(nvml_device device, unsigned int *n, struct process_v2 *p)
{
	return compute_processes(device, n, p);
}

EXPORT int nvmlDeviceGetComputeRunningProcesses(nvml_device device, unsigned int *n, struct process_v1 *p)
{
	struct process_v2 one;
	int r = compute_processes(device, n, p ? &one : NULL);
	if (!r && *n)
		*p = (struct process_v1){one.pid, one.used};
	return r;
}

struct process_detail {
	unsigned int pid;
	uint64_t used;
	unsigned int gpu_instance, compute_instance;
	uint64_t protected;
};

struct process_details {
	unsigned int version, mode, room;
	struct process_detail *list;
};

EXPORT int nvmlDeviceGetRunningProcessDetailList(nvml_device device, struct process_details *d)
{
	enum { COMPUTE, GRAPHICS, MPS };
	struct process_v2 p;
	if (!d)
		return NVML_INVALID_ARGUMENT;
	if (d->version != NVML_VERSION(*d, 1))
		return NVML_VERSION_MISMATCH;
	if (d->mode > MPS)
		return NVML_INVALID_ARGUMENT;
	unsigned int n = d->room;
	int r = compute_processes(device, &n, d->list ? &p : NULL);
	if (d->mode != COMPUTE && (!r || r == NVML_INSUFFICIENT_SIZE))
		r = NVML_SUCCESS, n = 0;
	if (!r && n)
		*d->list = (struct process_detail){p.pid, p.used, p.gpu_instance, p.compute_instance, 0};
	if (!r || r == NVML_INSUFFICIENT_SIZE)
		d->room = n;
	return r;
}

/* Graphics and MPS do not exist on a vGPU. */
static int no_processes(nvml_device device, unsigned int *n)
{
	int i, r = nvml_device_index(device, &i);
	if (!r && !n)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*n = 0;
	return r;
}

#define NO_PROCESSES(name) EXPORT int name(nvml_device device, unsigned int *n, void *p) { (void)p; return no_processes(device, n); }

NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v2)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3)
