// SPDX-License-Identifier: Apache-2.0
/*
 * Lives and ends with a context of the driver in one of the ways in which a worker could, so that tests/bench/lives can
 * tell which of them costs what. Words choose what is done besides initialising the driver and setting some memory:
 *
 *	legacy          the kernel's legacy layout of addresses
 *	register=MIB    so much shared memory registered with the driver
 *	parts=N         ... in so many parts
 *	threads=N       so many threads that have the context too
 *	end=WAY         hard: _exit (the default); soft: exit; context: the context is released first
 */
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

#include "gpu.h"

static handle context;
static pthread_barrier_t ready;

static void *have_context(void *unused)
{
	(void)unused;
	MUST(cuCtxSetCurrent(context));
	pthread_barrier_wait(&ready);
	pause();
	return NULL;
}

static bool word(const char *arg, const char *key, const char **value)
{
	size_t n = strlen(key);
	bool is = !strncmp(arg, key, n) && (!arg[n] || arg[n] == '=');
	if (is)
		*value = arg[n] ? arg + n + 1 : "";
	return is;
}

/* Functions that gpu.h does not have. */
static int host_register(void *p, size_t bytes, unsigned flags)
{
	int (*f)(void *, size_t, unsigned) = (int (*)(void *, size_t, unsigned))dlsym(RTLD_DEFAULT, "cuMemHostRegister_v2");
	return f(p, bytes, flags);
}

static int context_release(int device)
{
	int (*f)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "cuDevicePrimaryCtxRelease_v2");
	return f(device);
}

static void register_shared(size_t bytes, size_t parts)
{
	int fd = memfd_create("life", 0);
	if (fd < 0 || ftruncate(fd, (off_t)bytes)) {
		perror("life: make shared memory");
		exit(1);
	}
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		perror("life: map shared memory");
		exit(1);
	}
	const unsigned portable_mapped = 3;
	for (size_t i = 0, part = bytes / parts; i < parts; i++)
		MUST(host_register(p + i * part, part, portable_mapped));
}

int main(int argc, char **argv)
{
	size_t mib = 0, parts = 1;
	unsigned threads = 0;
	bool legacy = false;
	const char *value, *end = "hard";
	for (int i = 1; i < argc; i++) {
		if (word(argv[i], "legacy", &value))
			legacy = true;
		else if (word(argv[i], "register", &value))
			mib = strtoul(value, NULL, 10);
		else if (word(argv[i], "parts", &value) && strtoul(value, NULL, 10))
			parts = strtoul(value, NULL, 10);
		else if (word(argv[i], "threads", &value))
			threads = (unsigned)strtoul(value, NULL, 10);
		else if (word(argv[i], "end", &value))
			end = value;
		else {
			fprintf(stderr, "life: %s is none of: legacy, register=MIB, parts=N, threads=N, end=hard|soft|context\n", argv[i]);
			return 2;
		}
	}
	int now = personality(0xffffffff);
	if (legacy && now >= 0 && !(now & ADDR_COMPAT_LAYOUT)) {
		personality((unsigned long)now | ADDR_COMPAT_LAYOUT);
		execv("/proc/self/exe", argv);
		perror("life: start again with the legacy layout");
		return 1;
	}
	gpu_load();
	devptr memory;
	MUST(cuInit(0));
	MUST(cuDevicePrimaryCtxRetain(&context, 0));
	MUST(cuCtxSetCurrent(context));
	if (mib)
		register_shared(mib << 20, parts);
	pthread_barrier_init(&ready, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		pthread_t t;
		pthread_create(&t, NULL, have_context, NULL);
	}
	pthread_barrier_wait(&ready);
	MUST(cuMemAlloc_v2(&memory, 1 << 20));
	MUST(cuMemsetD8Async(memory, 1, 1 << 20, NULL));
	MUST(cuCtxSynchronize());
	if (!strcmp(end, "context"))
		MUST(context_release(0));
	if (!strcmp(end, "hard"))
		_exit(0);
	return 0;
}
