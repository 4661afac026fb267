// SPDX-License-Identifier: Apache-2.0
/*
 * A program on a vGPU that a virtual machine has: copies of pageable and pinned memory, kernels, their order.
 *
 *	device          once, checked, then "right"
 *	device hold     once, then waits to be killed, with a word of its own in pinned memory
 *	device forever  again and again, "round" after the first, until a call fails: says how, exits with 3
 */
#include <unistd.h>

#include "gpu.h"

enum { WORDS = 3 << 20 }; /* 12 MiB: more than small regions have staging */

static handle add;
static devptr device;
static uint32_t *pageable, *pinned;

#define TRY(call) \
	do { \
		int r_ = (call); \
		if (r_) \
			return r_; \
	} while (0)

static int launch_add(uint32_t n, uint32_t v)
{
	void *params[] = {&device, &n, &v};
	return gpu_launch(add, (n + 255) / 256, 256, NULL, params);
}

static void expect(const uint32_t *p, uint32_t i, uint32_t want)
{
	if (p[i] != want) {
		fprintf(stderr, "word %u is %#x, want %#x\n", i, p[i], want);
		exit(1);
	}
}

static int once(uint32_t seed)
{
	enum { PINNED = 1 << 18 };
	for (uint32_t i = 0; i < WORDS; i++)
		pageable[i] = i * 2654435761u + seed;
	TRY(cuMemcpyHtoD_v2(device, pageable, WORDS * 4ul));
	TRY(launch_add(4096, 7));
	memset(pageable, 0, WORDS * 4ul);
	TRY(cuMemcpyDtoH_v2(pageable, device, WORDS * 4ul));
	for (uint32_t i = 0; i < WORDS; i++)
		expect(pageable, i, i * 2654435761u + seed + (i < 4096 ? 7 : 0));
	for (uint32_t i = 0; i < PINNED; i++)
		pinned[i] = seed ^ i;
	TRY(cuMemcpyHtoDAsync_v2(device, pinned, PINNED * 4ul, NULL));
	for (int i = 0; i < 16; i++)
		TRY(launch_add(PINNED, 1));
	TRY(cuMemcpyDtoHAsync_v2(pinned, device, PINNED * 4ul, NULL));
	TRY(cuCtxSynchronize());
	for (uint32_t i = 0; i < PINNED; i++)
		expect(pinned, i, (seed ^ i) + 16);
	return 0;
}

int main(int argc, char **argv)
{
	handle module;
	gpu_open();
	MUST(cuModuleLoadData(&module, gpu_ptx));
	add = gpu_function(module, "add");
	MUST(cuMemAlloc_v2(&device, WORDS * 4ul));
	MUST(cuMemAllocHost_v2((void **)&pinned, 1 << 20));
	pageable = malloc(WORDS * 4ul);
	MUST(once((uint32_t)getpid()));
	if (argc < 2) {
		puts("right");
		return 0;
	}
	pinned[0] = 0x600dda7a;
	puts("round");
	fflush(stdout);
	for (; !strcmp(argv[1], "hold");)
		pause();
	for (uint32_t i = 0;; i++) {
		int r = once(i);
		if (r) {
			printf("failed: %s\n", gpu_error(r));
			return 3;
		}
	}
}
