// SPDX-License-Identifier: Apache-2.0
/* Decompression by the GPU's engines, where it has any: an attribute says so. */
#include "call.h"
#include "generated/calls.h"
#include "onstream.h"
#include "state.h"

/* The driver says which operation was refused, where it says one: else the program's own value comes back. */
static int decompress(const void *params, size_t count, unsigned flags, size_t *index, void *stream)
{
	uint64_t failed = index ? *index : 0;
	int r = wire_mem_decompress(params, count, flags, stream, &failed);
	if (index)
		*index = failed;
	return r ? r : call_deferred();
}

ON_STREAM(cuMemBatchDecompressAsync, (const void *params, size_t count, unsigned int flags, size_t *index, void *stream),
	  decompress(params, count, flags, index, stream))
