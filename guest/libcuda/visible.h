// SPDX-License-Identifier: Apache-2.0
/* CUDA_VISIBLE_DEVICES: how many of a program's vGPUs CUDA shows. */
#pragma once
#include <stdbool.h>

/*
 * How many of granted vGPUs a value of the variable shows; NULL shows all. As with NVIDIA's driver, what is no number of a
 * vGPU ends the list, and a list that names one twice shows none. The vGPUs of a lease are alike, and numbered anew in
 * each process: they are shown from the first on, and exact is false where the list asks for others, or for UUIDs, which
 * are not known before the lease.
 */
int visible_devices(const char *list, int granted, bool *exact);

/* Whether the environment hides all GPUs, however many there be. */
bool visible_none(void);
