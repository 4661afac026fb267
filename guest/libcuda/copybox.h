// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* One side of a copy. Offsets are in bytes (x) and rows and slices (y, z) of pitch bytes and rows rows. */
struct box_side {
	uint64_t x, y, z, level;
	uint64_t type; /* CUmemorytype */
	uint64_t host, device; /* as given */
	uint64_t address; /* of host or device memory, once settled */
	void *array, *context;
	uint64_t pitch, rows;
};

struct box {
	struct box_side src, dst;
	uint64_t width, height, depth; /* bytes, rows, slices */
};

enum { BOX_BYTES = 200 }; /* of a CUDA_MEMCPY3D */

/* Reads a CUDA_MEMCPY3D, or a CUDA_MEMCPY3D_PEER, which has contexts in its reserved places. */
struct box box_from_3d(const uint8_t *d, bool peer);
/* Writes a settled box as the worker takes it. */
void box_put(uint8_t *d, const struct box *b);
/* Settles types and addresses. A CUresult. */
int box_settle(struct box *b);
/* The address of a row of a side in host memory. */
uint8_t *box_row(const struct box_side *s, uint64_t z, uint64_t y);
int box_copy(struct box *b, void *stream, bool wait);
