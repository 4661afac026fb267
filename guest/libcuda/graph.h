// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds a kernel node from CUDA_KERNEL_NODE_PARAMS, version 2 or 1; edges may be NULL. A CUresult. */
int graph_add_kernel(void **node, void *graph, void *const *deps, const void *edges, size_t n, const uint8_t *p, bool v2);
