// SPDX-License-Identifier: Apache-2.0
/* The way to the worker: the handshake with oriond, the mapped region, its doorbell. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mapping.h"
#include "state.h"

struct config;

/* Connects, greets, maps the region. A CUresult; the reason of a failure has been logged. */
int channel_open(const struct config *config);
/* Gives the region and the socket up; the worker sees the end. */
void channel_close(void);
/* In a child of fork: closes the parent's socket, which must end with the parent. */
void channel_forked(void);
/* Wakes the worker. */
void channel_ring(void);
/* Whether the worker's side is still there; ends the session if not. */
bool channel_alive(void);

static inline _Atomic uint32_t *region32(uint64_t offset)
{
	return (_Atomic uint32_t *)(void *)(session.base + offset);
}

static inline _Atomic uint64_t *region64(uint64_t offset)
{
	return (_Atomic uint64_t *)(void *)(session.base + offset);
}

/* Before a store that announces other stores, and after one that must soon be seen. */
static inline void region_release(void)
{
	if (unlikely(session.weak))
		store_fence();
}

/* Behind a load that says what can be loaded now. */
static inline void region_acquire(void)
{
	if (unlikely(session.weak))
		load_fence();
}

/* A wait for memory that another process writes: spin, then sleep for ever longer, and notice its end. */
struct patience {
	uint64_t start_ns, check_ns;
	unsigned rounds;
};

/* Whether there are cores to spare: the host then asks for a long spin, as NVIDIA's driver does. */
static inline bool many_cores(void) { return session.spin_us > 1000; }

/* CLOCK_MONOTONIC. */
uint64_t monotonic_ns(void);

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* One step of a wait; false once the session has ended. */
bool patience_step(struct patience *p);
