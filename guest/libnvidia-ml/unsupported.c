// SPDX-License-Identifier: Apache-2.0
/* What NVIDIA's library exports beside: there, so that programs link and load, and answering NOT_SUPPORTED. */
#include "nvml.h"

#define UNSUPPORTED(name) \
	EXPORT int name(void); \
	int name(void) \
	{ \
		static int once; \
		return nvml_unsupported(#name, &once); \
	}
#include "unsupported.def"
