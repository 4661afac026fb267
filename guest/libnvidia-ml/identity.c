// SPDX-License-Identifier: Apache-2.0
/* Which release the library is of, for who looks into its file: orion-check. */
#include "nvml.h"

#ifndef ORION_RELEASE
#define ORION_RELEASE "dev" /* the build sets it */
#endif

__attribute__((section(".orion"), used)) static const char identity[] = "release=" ORION_RELEASE;
