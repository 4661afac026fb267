// SPDX-License-Identifier: Apache-2.0
#pragma once
#ifndef ORION_RELEASE
#define ORION_RELEASE "dev" /* the build sets it */
#endif
enum { ORION_DRIVER_VERSION = 13000 }; /* the newest CUDA driver version that this library serves */
