// SPDX-License-Identifier: Apache-2.0
/*
 * What a program does while something fails. The first argument says what, the second how long its kernels run:
 *
 *	once           compute, check, print "ok"
 *	check          print "running", then compute and check until standard input ends; print "ok"
 *	loop           print "running", then launch long kernels for ever, one at a time
 *	flood          print "running", then queue kernels for ever without waiting
 *	until-error    print "running", then compute until a call fails; print the error; exit 3
 *	callback       queue a callback behind a long kernel, print "running", then wait for it and nothing else; print its
 *	               status; exit 3
 *	cancel         cancel a thread that has queued all that it can, print "running", then compute; print the error of
 *	               that; exit 3
 *	exit           end while a thread waits for a host function, and wait for that thread in exit(); print "ok"
 *	hoard          print "running", then load a module again and again until that fails; print the error; exit 3
 *	managed        print "running", then compute in 64 MiB of managed memory; check, print "ok"
 *	wild           launch a kernel that faults; print the error of the next call; exit 3
 */
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>

#include "gpu.h"

enum { COUNT = 4096 };

static struct {
	handle module, add, spin, stream;
	devptr p;
	uint32_t want, host[COUNT];
} g;

static void open_gpu(void)
{
	gpu_open();
	MUST(cuModuleLoadData(&g.module, gpu_ptx));
	g.add = gpu_function(g.module, "add");
	g.spin = gpu_function(g.module, "spin");
	MUST(cuStreamCreate(&g.stream, 0));
	MUST(cuMemAlloc_v2(&g.p, sizeof g.host));
	MUST(cuMemcpyHtoD_v2(g.p, g.host, sizeof g.host));
	MUST(cuStreamSynchronize(g.stream));
}

/* One step: adds on the GPU, reads back, compares. A CUresult. */
static int step(uint32_t v)
{
	uint32_t n = COUNT;
	void *params[] = {&g.p, &n, &v};
	int r = gpu_launch(g.add, (COUNT + 127) / 128, 128, g.stream, params);
	if (!r)
		r = cuMemcpyDtoHAsync_v2(g.host, g.p, sizeof g.host, g.stream);
	if (!r)
		r = cuStreamSynchronize(g.stream);
	if (r)
		return r;
	g.want += v;
	for (int i = 0; i < COUNT; i++) {
		if (g.host[i] != g.want) {
			fprintf(stderr, "word %d is %u, want %u\n", i, g.host[i], g.want);
			exit(1);
		}
	}
	return 0;
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static int failed(int r)
{
	say(gpu_error(r));
	return 3;
}

static int until_error(void)
{
	int r;
	for (uint32_t i = 1; !(r = step(i)); i++)
		;
	return failed(r);
}

static void called(handle stream, int status, void *data)
{
	(void)stream;
	*(int *)data = 1 + status;
}

static int until_called(void **params)
{
	static volatile int done;
	MUST(gpu_launch(g.spin, 4, 128, g.stream, params));
	MUST(cuStreamAddCallback(g.stream, called, (int *)&done, 0));
	say("running");
	while (!done)
		poll(NULL, 0, 10);
	return failed(done - 1);
}

static void *flood(void *count)
{
	void *params[] = {&(uint32_t){2000000000}};
	MUST(cuCtxSetCurrent(gpu_context));
	for (;; ++*(volatile unsigned *)count) {
		pthread_testcancel();
		if (gpu_launch(g.spin, 4, 128, g.stream, params))
			return NULL;
	}
}

static int cancelled(void)
{
	static volatile unsigned count;
	unsigned before;
	pthread_t thread;
	devptr p;
	if (pthread_create(&thread, NULL, flood, (void *)&count))
		return 1;
	do {
		before = count;
		poll(NULL, 0, 300);
	} while (count != before || !count);
	pthread_cancel(thread);
	poll(NULL, 0, 50);
	say("running");
	int r = cuMemAlloc_v2(&p, 4096);
	pthread_join(thread, NULL);
	return failed(r);
}

static struct {
	pthread_t thread;
	volatile int begun, called;
} waiter;

static void host_function(void *data) { *(volatile int *)data = 1; }

static void *wait_for_it(void *turns)
{
	void *params[] = {turns};
	MUST(cuCtxSetCurrent(gpu_context));
	MUST(gpu_launch(g.spin, 4, 128, g.stream, params));
	MUST(cuLaunchHostFunc(g.stream, host_function, (int *)&waiter.called));
	waiter.begun = 1;
	MUST(cuStreamSynchronize(g.stream));
	return NULL;
}

static void join(void)
{
	pthread_join(waiter.thread, NULL);
	if (waiter.called)
		say("ok");
}

static int leave_waiting(uint32_t *turns)
{
	if (pthread_create(&waiter.thread, NULL, wait_for_it, turns))
		return 1;
	while (!waiter.begun)
		poll(NULL, 0, 1);
	poll(NULL, 0, 20); /* into the wait, most likely */
	return 0;
}

static int hoard(void)
{
	handle module;
	int r;
	while (!(r = cuModuleLoadData(&module, gpu_ptx)))
		;
	return failed(r);
}

/* The GPU adds to every word that the host has written, and the host looks at all of them. */
static void compute_in_managed_memory(void)
{
	uint32_t n = 16 << 20, v = 7, *words;
	devptr p;
	void *params[] = {&p, &n, &v};
	MUST(cuMemAllocManaged(&p, n * sizeof *words, 1));
	words = (uint32_t *)(uintptr_t)p;
	for (uint32_t i = 0; i < n; i++)
		words[i] = i;
	MUST(gpu_launch(g.add, n / 128, 128, g.stream, params));
	MUST(cuStreamSynchronize(g.stream));
	for (uint32_t i = 0; i < n; i++) {
		if (words[i] != i + v) {
			fprintf(stderr, "word %u is %u\n", i, words[i]);
			exit(1);
		}
	}
}

static bool input_ended(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	return poll(&p, 1, 0) != 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "once";
	static uint32_t turns;
	turns = argc > 2 ? (uint32_t)atoi(argv[2]) : 2000000;
	void *params[] = {&turns};
	if (!strcmp(what, "exit"))
		atexit(join); /* before CUDA's own handler is there, so run after it */
	open_gpu();
	if (!strcmp(what, "exit"))
		return leave_waiting(&turns);
	if (!strcmp(what, "once")) {
		MUST(step(7));
		say("ok");
		return 0;
	}
	if (!strcmp(what, "cancel"))
		return cancelled();
	if (!strcmp(what, "callback"))
		return until_called(params);
	say("running");
	if (!strcmp(what, "until-error"))
		return until_error();
	if (!strcmp(what, "hoard"))
		return hoard();
	if (!strcmp(what, "managed")) {
		compute_in_managed_memory();
		say("ok");
		return 0;
	}
	if (!strcmp(what, "wild")) {
		MUST(gpu_launch(gpu_function(g.module, "wild"), 1, 1, g.stream, NULL));
		return failed(cuStreamSynchronize(g.stream));
	}
	if (!strcmp(what, "check")) {
		for (uint32_t i = 1; !input_ended(); i++)
			MUST(step(i));
		say("ok");
		return 0;
	}
	for (;;) {
		MUST(gpu_launch(g.spin, 4, 128, g.stream, params));
		if (!strcmp(what, "loop"))
			MUST(cuStreamSynchronize(g.stream));
	}
}
