// SPDX-License-Identifier: Apache-2.0
/*
 * nvmlInternalGetExportTable. NVIDIA's nvidia-smi works only with an NVML that hands out one table of functions
 * without names, as libcuda does to libcudart. Word 0 is the table's size in bytes. What the entries do that are served
 * here was found by what nvidia-smi 535 and 550 print for their answers; entry 81 and the layout of process lists are in
 * NVIDIA's mock NVML, too (github.com/NVIDIA/k8s-test-infra). Callers test nothing for NULL: every entry is a function.
 */
#include <pthread.h>
#include <string.h>

#include "../libcuda/log.h"
#include "nvml.h"

enum { ENTRIES = 0x948 / sizeof(void *) }; /* farther than nvidia-smi 550 reaches: NVIDIA adds at the end */

static const uint8_t table_id[16] = {0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e, 0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4};

static int unknown(void)
{
	static int once;
	return nvml_refused("an entry of NVML's private table", &once, NVML_NOT_SUPPORTED);
}

/* nvidia-smi hands each line that it prints to this, for a log of NVIDIA's. */
static int log_entry(void) { return NVML_SUCCESS; }

/* How near two PCI devices are to each other, in numbers that are not those of nvmlDeviceGetTopologyCommonAncestor. */
static int nearness(const char *one, const char *other, unsigned int *near)
{
	enum { PIX = 0, SYS = 4 };
	nvml_device a, b;
	int r = nvmlDeviceGetHandleByPciBusId_v2(one, &a);
	if (!r)
		r = nvmlDeviceGetHandleByPciBusId_v2(other, &b);
	if (!r && !near)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*near = a == b ? PIX : SYS;
	return r;
}

static int handle_by_index(unsigned int index, nvml_device *device) { return nvmlDeviceGetHandleByIndex_v2(index, device); }

/* dmon and pmon run where this says so. */
static int can_monitor(nvml_device device, unsigned int *can)
{
	int i, r = nvml_device_index(device, &i);
	if (!r && !can)
		r = NVML_INVALID_ARGUMENT;
	if (!r)
		*can = 1;
	return r;
}

struct process_entry {
	unsigned int pid;
	uint64_t used;
	unsigned int gpu_instance, compute_instance;
	uint64_t protected;
	char name[4096];
};

static int compute_list(nvml_device device, unsigned int *n, struct process_entry *list)
{
	struct process_v2 p;
	unsigned int room = n ? *n : 0;
	if (n && *n)
		*n = 1; /* there is one process at most */
	int r = nvmlDeviceGetComputeRunningProcesses_v3(device, n, room && list ? &p : NULL);
	if (r || !*n)
		return r;
	*list = (struct process_entry){.pid = p.pid, .used = p.used, .gpu_instance = p.gpu_instance, .compute_instance = p.compute_instance};
	nvmlSystemGetProcessName(p.pid, list->name, sizeof list->name);
	return NVML_SUCCESS;
}

static int no_list(nvml_device device, unsigned int *n, struct process_entry *list)
{
	return nvmlDeviceGetGraphicsRunningProcesses_v3(device, n, list);
}

static const void *table[ENTRIES];

static void fill(void)
{
	table[0] = (const void *)sizeof table;
	for (int i = 1; i < (int)ENTRIES; i++)
		table[i] = (const void *)unknown;
	table[23] = (const void *)nearness;
	table[26] = (const void *)log_entry;
	table[72] = (const void *)can_monitor;
	table[81] = (const void *)handle_by_index;
	table[213] = (const void *)compute_list;
	table[214] = (const void *)no_list; /* graphics */
	table[215] = (const void *)no_list; /* MPS */
}

EXPORT int nvmlInternalGetExportTable(const void **out, const void *id)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	if (!out || !id)
		return NVML_INVALID_ARGUMENT;
	*out = NULL;
	if (memcmp(id, table_id, sizeof table_id))
		return NVML_FUNCTION_NOT_FOUND;
	pthread_once(&once, fill);
	*out = table;
	return NVML_SUCCESS;
}
