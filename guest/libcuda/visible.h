// SPDX-License-Identifier: Apache-2.0
/* CUDA_VISIBLE_DEVICES: which of a program's vGPUs CUDA shows, and in which order. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "generated/wire.h"

/*
 * How many of granted vGPUs a value of the variable shows, and their places in the lease; NULL shows all. As with NVIDIA's
 * driver, what is no number of a vGPU ends the list, and a list that names one twice shows none. UUIDs are not known
 * before the lease: a list of them is VISIBLE_UUIDS.
 */
enum { VISIBLE_UUIDS = -1 };
int visible_devices(const char *list, int granted, uint8_t order[WIRE_MAX_DEVICES]);

/* Whether the environment hides all GPUs, however many there be. */
bool visible_none(void);
