// SPDX-License-Identifier: Apache-2.0
/*
 * soak WHAT COUNT: does something COUNT times, then prints "round", waits for a line on its standard input, and
 * begins again, until the input ends. When it prints nothing is under way.
 */
#include <stdbool.h>

#include "gpu.h"

static handle module, empty, stream;

static void launches(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		MUST(gpu_launch(empty, 1, 32, stream, NULL));
		if (i % 1000 == 999) /* as a program does, which wants its results */
			MUST(cuStreamSynchronize(stream));
	}
}

/* Sizes from small to some MiB, a few held at once, freed in another order than they came. */
static void allocations(unsigned count)
{
	enum { HELD = 8 };
	devptr held[HELD] = {0};
	for (unsigned i = 0; i < count; i++) {
		devptr *p = &held[i * 5 % HELD];
		if (*p)
			MUST(cuMemFree_v2(*p));
		MUST(cuMemAlloc_v2(p, (size_t)64 << (i % 15)));
	}
	for (int i = 0; i < HELD; i++)
		if (held[i])
			MUST(cuMemFree_v2(held[i]));
}

static void pinned(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		void *p;
		MUST(cuMemAllocHost_v2(&p, (size_t)4096 << (i % 8)));
		memset(p, 1, 4096);
		MUST(cuMemFreeHost(p));
	}
}

static void objects(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		handle s, e;
		MUST(cuStreamCreate(&s, 0));
		MUST(cuEventCreate(&e, 0));
		MUST(gpu_launch(empty, 1, 1, s, NULL));
		MUST(cuEventRecord(e, s));
		MUST(cuEventSynchronize(e));
		MUST(cuEventDestroy_v2(e));
		MUST(cuStreamDestroy_v2(s));
	}
}

static void modules(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		handle m;
		MUST(cuModuleLoadData(&m, gpu_ptx));
		MUST(gpu_launch(gpu_function(m, "empty"), 1, 1, stream, NULL));
		MUST(cuStreamSynchronize(stream));
		MUST(cuModuleUnload(m));
	}
}

/* Pageable copies of all sizes, through staging and in the command itself. */
static void copies(unsigned count)
{
	static char host[1 << 20];
	devptr p;
	MUST(cuMemAlloc_v2(&p, sizeof host));
	for (unsigned i = 0; i < count; i++) {
		size_t n = (size_t)1 << (i % 21);
		MUST(cuMemcpyHtoD_v2(p, host, n));
		MUST(cuMemcpyDtoH_v2(host, p, n));
	}
	MUST(cuMemFree_v2(p));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(unsigned);
	} kinds[] = {{"launches", launches}, {"allocations", allocations}, {"pinned", pinned}, {"objects", objects},
		{"modules", modules}, {"copies", copies}};
	char line[16];
	if (argc != 3)
		return 2;
	gpu_open();
	MUST(cuModuleLoadData(&module, gpu_ptx));
	empty = gpu_function(module, "empty");
	MUST(cuStreamCreate(&stream, 0));
	do {
		for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
			if (!strcmp(argv[1], kinds[i].name))
				kinds[i].run((unsigned)atoi(argv[2]));
		MUST(cuCtxSynchronize());
		puts("round");
		fflush(stdout);
	} while (fgets(line, sizeof line, stdin));
	return 0;
}
