// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

#include "function.h"

struct launch {
	struct object *function;
	uint32_t grid[3], block[3], shared;
	void *stream;
};

/* A program's kernel parameters: one pointer for each, or a packed buffer. */
struct params {
	void **values;
	const void *buffer;
	size_t bytes;
};

enum { LAUNCH_ATTRIBUTE_BYTES = 72, LAUNCH_MAX_ATTRIBUTES = 32 };
/* Of CUlaunchAttributeID. */
enum { LAUNCH_COOPERATIVE = 2, LAUNCH_CLUSTER = 4 };

/* Checks a launch against the limits of device and function. A CUresult. */
int launch_check(const struct launch *l);
/* Finds the parameters of cuLaunchKernel's last two arguments. A CUresult. */
int params_find(void **values, void **extra, struct params *p);
/* Whether all parameters of a function are there. A CUresult. */
int params_check(const struct function *f, const struct params *p);
/* Packs checked parameters by their offsets into f->param_bytes bytes. */
void params_pack(const struct function *f, const struct params *p, uint8_t *to);
/* Reads a CUlaunchConfig; translates handles in its attributes to ids. CUresults. */
int config_read(const uint8_t *config, struct launch *l, const uint8_t **attributes, uint64_t *count);
int attributes_translate(uint8_t *to, const uint8_t *from, uint64_t count);
