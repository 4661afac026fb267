// SPDX-License-Identifier: Apache-2.0
/*
 * Measures what crosses between a program and its GPU, in lines "name value unit". It opens libcuda.so.1 itself
 * and carries its kernels as PTX, so that the same binary runs on a vGPU and natively.
 *
 *	bench         all measures
 *	bench load    loads the library, between two calls of getppid, for strace
 */
#include <dirent.h>
#include <stdbool.h>
#include <unistd.h>

#include "gpu.h"

enum { WARM = 200, ROUNDS = 20000, BURST = 500, COPY = 64 << 20, COPIES = 10 };

static uint64_t sample[ROUNDS];

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Prints the median and the 99th percentile of n samples. */
static void report(const char *name, unsigned n)
{
	qsort(sample, n, sizeof *sample, ascending);
	printf("%s_p50 %llu ns\n%s_p99 %llu ns\n", name, (unsigned long long)sample[n / 2], name,
		(unsigned long long)sample[n - 1 - n / 100]);
}

/* What reading the clock costs is in every sample. */
static void measure_clock(void)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t t = now_ns();
		sample[i] = now_ns() - t;
	}
	report("clock", ROUNDS);
}

/* Times each of many calls; after every burst, waits for what they have queued, and does not count that. */
#define MEASURE(name, rounds, burst, call) \
	do { \
		for (unsigned i_ = 0; i_ < WARM; i_++) \
			call; \
		MUST(cuCtxSynchronize()); \
		for (unsigned i_ = 0; i_ < (rounds); i_++) { \
			uint64_t t_ = now_ns(); \
			call; \
			sample[i_] = now_ns() - t_; \
			if (i_ % (burst) == (burst)-1) \
				MUST(cuCtxSynchronize()); \
		} \
		report(name, rounds); \
	} while (0)

/* The best of some copies, since a busy machine only makes them slower. */
#define BANDWIDTH(name, call) \
	do { \
		uint64_t best_ = UINT64_MAX; \
		for (int i_ = 0; i_ <= COPIES; i_++) { \
			uint64_t t_ = now_ns(); \
			call; \
			MUST(cuCtxSynchronize()); \
			t_ = now_ns() - t_; \
			if (i_ && t_ < best_) \
				best_ = t_; \
		} \
		printf("%s %.2f GB/s\n", name, (double)COPY / (double)best_); \
	} while (0)

static int threads(void)
{
	int n = -2; /* "." and ".." */
	DIR *d = opendir("/proc/self/task");
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static int launch_synchronise(handle function, handle stream)
{
	int r = gpu_launch(function, 1, 32, stream, NULL);
	return r ? r : cuStreamSynchronize(stream);
}

static void measure_calls(handle empty, devptr p)
{
	handle stream;
	size_t free_bytes, total;
	uint32_t word;
	MUST(cuStreamCreate(&stream, 1 /* non-blocking */));
	MEASURE("launch", ROUNDS, BURST, MUST(gpu_launch(empty, 1, 32, stream, NULL)));
	MEASURE("memset", ROUNDS, BURST, MUST(cuMemsetD8Async(p, 0, 64, stream)));
	MEASURE("stream_query_idle", ROUNDS, BURST, MUST(cuStreamQuery(stream)));
	MEASURE("mem_get_info", 5000, BURST, MUST(cuMemGetInfo_v2(&free_bytes, &total)));
	MEASURE("synchronise_idle", 5000, BURST, MUST(cuStreamSynchronize(stream)));
	MEASURE("launch_synchronise", 5000, BURST, MUST(launch_synchronise(empty, stream)));
	MEASURE("read_back_4_bytes", 5000, BURST, MUST(cuMemcpyDtoH_v2(&word, p, sizeof word)));
	MUST(cuStreamDestroy_v2(stream));
}

static void measure_copies(devptr p)
{
	void *pinned, *pageable = malloc(COPY);
	if (!pageable)
		exit(1);
	memset(pageable, 1, COPY);
	MUST(cuMemAllocHost_v2(&pinned, COPY));
	memset(pinned, 1, COPY);
	BANDWIDTH("pinned_up", MUST(cuMemcpyHtoDAsync_v2(p, pinned, COPY, NULL)));
	BANDWIDTH("pinned_down", MUST(cuMemcpyDtoHAsync_v2(pinned, p, COPY, NULL)));
	BANDWIDTH("pageable_up", MUST(cuMemcpyHtoD_v2(p, pageable, COPY)));
	BANDWIDTH("pageable_down", MUST(cuMemcpyDtoH_v2(pageable, p, COPY)));
	MUST(cuMemFreeHost(pinned));
	free(pageable);
}

int main(int argc, char **argv)
{
	char name[128];
	handle module, context;
	devptr p;
	if (argc > 1 && !strcmp(argv[1], "load")) {
		void *volatile warm = malloc(64); /* the allocator's own first calls */
		free(warm);
		getppid();
		bool loaded = dlopen("libcuda.so.1", RTLD_NOW) != NULL;
		getppid();
		_exit(!loaded);
	}
	int before = threads();
	uint64_t t = now_ns();
	gpu_load();
	printf("load %.1f us\n", (double)(now_ns() - t) / 1e3);
	printf("threads_of_the_library %d threads\n", threads() - before);
	t = now_ns();
	MUST(cuInit(0));
	MUST(cuDevicePrimaryCtxRetain(&context, 0));
	printf("start %.2f ms\n", (double)(now_ns() - t) / 1e6);
	MUST(cuCtxSetCurrent(context));
	MUST(cuDeviceGetName(name, sizeof name, 0));
	fprintf(stderr, "on %s\n", name);
	MUST(cuModuleLoadData(&module, gpu_ptx));
	MUST(cuMemAlloc_v2(&p, COPY));
	measure_clock();
	measure_calls(gpu_function(module, "empty"), p);
	measure_copies(p);
	return 0;
}
