// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "state.h"

/* The device of an ordinal. A CUresult. */
int device_get(int ordinal, struct device **d);
/* An attribute of the GPU behind a vGPU, as its driver reports it. */
int device_attribute(int *value, int attribute, int device);
