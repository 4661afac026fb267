// SPDX-License-Identifier: Apache-2.0
/* What NVIDIA's library exports beside: there, so that programs link and load. It answers NOT_SUPPORTED, or NO_PERMISSION to
 * who would change a GPU, which others share: programs take that for the answer of a machine whose root they are not. */
#include "nvml.h"

#define ANSWER(name, result) \
	EXPORT int name(void); \
	int name(void) \
	{ \
		static int once; \
		return nvml_refused(#name, &once, result); \
	}
#define UNSUPPORTED(name) ANSWER(name, NVML_NOT_SUPPORTED)
#define FORBIDDEN(name) ANSWER(name, NVML_NO_PERMISSION)
#include "unsupported.def"
