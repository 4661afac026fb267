// SPDX-License-Identifier: Apache-2.0
/* What libnvidia-ml.so.1 asks of this project's libcuda.so.1. Both come from one build; size tells if not. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { SESSION_INFO_DEVICES = 16, SESSION_INFO_NAME = 96 };

struct session_info {
	int cuda_version; /* 1000 * major + 10 * minor */
	int count;
	/* The client's log, see log.h. */
	void (*log)(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
	struct session_info_device {
		uint8_t uuid[16];
		char name[SESSION_INFO_NAME];
		uint64_t memory, used; /* bytes of the quota, and what this process holds of them */
		int domain, bus, slot;
		int ordinal; /* of CUDA, which CUDA_VISIBLE_DEVICES decides; the order here is the lease's */
	} devices[SESSION_INFO_DEVICES];
};

/* Opens the session if it is not open yet. A CUresult; out is set on success only. */
int orion_session(struct session_info *out, size_t size);

/* Ends the session and gives its vGPUs back, unless CUDA has been initialised; a later call opens another. The caller
 * knows that no other thread asks for anything. */
void orion_session_release(void);

/* A CUdevice_attribute of the GPU, of vGPUs that CUDA_VISIBLE_DEVICES hides, too. A CUresult. */
int orion_device_attribute(int *value, int attribute, int device);

/* What a GPU does now, others' work included: wire.GPUState. A number that is not known is GPU_UNKNOWN. */
#define GPU_UNKNOWN UINT32_MAX
struct gpu_state {
	uint32_t busy, memory_busy; /* percent */
	uint32_t temperature; /* degrees Celsius */
	uint32_t power, power_limit, enforced_limit; /* milliwatts */
	uint32_t clock_graphics, clock_sm, clock_memory, clock_video; /* MHz */
	uint32_t performance;
	uint32_t link_generation, link_width, max_link_generation, max_link_width;
	uint32_t brand, persistent, reserved;
	uint64_t energy; /* millijoules since the driver was loaded; all ones where unknown */
	char branch[16]; /* of the driver's releases; empty where unknown */
	char driver[32]; /* its version */
};

/* Opens the session if it is not open yet, and waits for the first answer for 5 s at most. A CUresult. */
int orion_gpu_state(int device, struct gpu_state *out, size_t size);

/* The NVLinks of a GPU by their numbers: wire.GPULink. What is not known is GPU_UNKNOWN, all of a link that is not there or
 * leads to a GPU that this session has no part of. */
enum { GPU_LINKS = 36 };
struct gpu_link {
	uint32_t active;
	uint32_t capabilities; /* a bit each */
	uint32_t version, speed; /* MB/s */
	uint32_t remote_type, remote_domain, remote_bus, remote_slot, remote_id, remote_subsystem;
};

/* As orion_gpu_state; size is that of all GPU_LINKS. */
int orion_gpu_links(int device, struct gpu_link *out, size_t size);
