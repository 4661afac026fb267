// SPDX-License-Identifier: Apache-2.0
/* Occupancy questions that have callbacks or configurations. */
#include "call.h"
#include "generated/calls.h"
#include "launch.h"
#include "state.h"
#include "device.h"
#include "exported.h"


/* Tries block sizes from the largest down and keeps the one that fills a multiprocessor best. */
EXPORT int cuOccupancyMaxPotentialBlockSizeWithFlags(int *min_grid, int *block, void *function, size_t (*shared_for)(int), size_t shared,
						     int limit, unsigned int flags)
{
	enum { WARP_SIZE = 10, MULTIPROCESSORS = 16, MAX_THREADS = 1 };
	int warp, count, most, best = 0, best_threads = 0, best_blocks = 0;
	int r = enter_context();
	struct object *o = r ? NULL : function_get(function);
	if (!r && !o)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r && (!min_grid || !block))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = device_attribute(&warp, WARP_SIZE, thread.context->device);
	if (!r)
		r = device_attribute(&count, MULTIPROCESSORS, thread.context->device);
	if (!r)
		r = device_attribute(&most, MAX_THREADS, thread.context->device);
	if (r)
		return r;
	if (function_of(o)->attributes[ATTRIBUTE_MAX_THREADS] < most)
		most = function_of(o)->attributes[ATTRIBUTE_MAX_THREADS];
	if (limit > 0 && limit < most)
		most = limit;
	for (int size = (most + warp - 1) / warp * warp; size > 0; size -= warp) {
		int blocks, threads = size < most ? size : most;
		r = cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, o, threads, shared_for ? shared_for(threads) : shared, flags);
		if (r)
			return r;
		if (blocks * threads > best_threads) {
			best_threads = blocks * threads;
			best_blocks = blocks;
			best = threads;
		}
	}
	*block = best;
	*min_grid = best_blocks * count;
	return CUDA_SUCCESS;
}

EXPORT int cuOccupancyMaxPotentialBlockSize(int *min_grid, int *block, void *function, size_t (*shared_for)(int), size_t shared, int limit)
{
	return cuOccupancyMaxPotentialBlockSizeWithFlags(min_grid, block, function, shared_for, shared, limit, 0);
}

static int clusters(unsigned which, int *value, void *function, const uint8_t *config)
{
	struct launch l = {0};
	const uint8_t *attributes;
	uint8_t translated[LAUNCH_MAX_ATTRIBUTES * LAUNCH_ATTRIBUTE_BYTES];
	uint64_t count = 0;
	int r = enter_context();
	if (!r && !value)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = config_read(config, &l, &attributes, &count);
	if (!r && count)
		r = attributes_translate(translated, attributes, count);
	if (!r && !(l.function = function_get(function)))
		r = CUDA_ERROR_INVALID_HANDLE;
	return r ? r
		 : wire_occupancy_clusters(which, l.function, l.grid[0], l.grid[1], l.grid[2], l.block[0], l.block[1], l.block[2], l.shared,
					   stream_arg(l.stream), translated, count, value);
}

EXPORT int cuOccupancyMaxActiveClusters(int *count, void *function, const void *config) { return clusters(0, count, function, config); }
EXPORT int cuOccupancyMaxPotentialClusterSize(int *size, void *function, const void *config) { return clusters(1, size, function, config); }
