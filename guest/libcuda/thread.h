// SPDX-License-Identifier: Apache-2.0
/* What a thread holds: its reply slot, its context stack, its default streams. All is freed at its end. */
#pragma once
#include <stdint.h>

/* Gives the calling thread a reply slot; false if all are in use. */
int thread_slot(void);
/* The next sequence number of a slot (1 + index). Numbers go on when a slot changes hands. */
uint32_t slot_next(uint32_t slot);
/* Frees the calling thread's context stack and default streams. */
void context_stack_free(void);
void per_thread_streams_free(void);
