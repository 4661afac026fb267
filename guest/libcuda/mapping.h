// SPDX-License-Identifier: Apache-2.0
/* The region's mapping in this process, and the order in which its memory sees loads and stores. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

/* Maps a file at base and nowhere else, not to be inherited by children. NULL with the reason in why, of
 * WHY_BYTES. */
void *map_region(int fd, uint64_t base, uint64_t offset, uint64_t size, char *why);

/* Fences for write-combining memory, for which the order that x86 keeps elsewhere does not hold. */
static inline void store_fence(void)
{
#if defined(__x86_64__)
	__asm__ volatile("sfence" ::: "memory");
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void load_fence(void)
{
#if defined(__x86_64__)
	__asm__ volatile("lfence" ::: "memory");
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void full_fence(void)
{
#if defined(__x86_64__)
	__asm__ volatile("mfence" ::: "memory");
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}
