// SPDX-License-Identifier: Apache-2.0
/*
 * The driver API for small C programs of tests, without NVIDIA's headers: the functions come from libcuda.so.1
 * by dlopen, so that one program runs on a vGPU and natively. Include it in one file.
 */
#pragma once
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint64_t devptr;
typedef struct handle *handle;

#define GPU_FUNCTIONS(X) \
	X(cuInit, (unsigned flags)) \
	X(cuGetErrorName, (int result, const char **name)) \
	X(cuDeviceGetCount, (int *count)) \
	X(cuDeviceGetName, (char *name, int room, int device)) \
	X(cuDevicePrimaryCtxRetain, (handle *context, int device)) \
	X(cuCtxSetCurrent, (handle context)) \
	X(cuCtxSynchronize, (void)) \
	X(cuModuleLoadData, (handle *module, const void *image)) \
	X(cuModuleUnload, (handle module)) \
	X(cuModuleGetFunction, (handle *function, handle module, const char *name)) \
	X(cuLaunchKernel, (handle function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, \
		unsigned shared, handle stream, void **params, void **extra)) \
	X(cuMemAlloc_v2, (devptr *p, size_t n)) \
	X(cuMemFree_v2, (devptr p)) \
	X(cuMemGetInfo_v2, (size_t *free, size_t *total)) \
	X(cuMemAllocHost_v2, (void **p, size_t n)) \
	X(cuMemFreeHost, (void *p)) \
	X(cuMemAllocManaged, (devptr *p, size_t n, unsigned flags)) \
	X(cuMemcpyHtoD_v2, (devptr to, const void *from, size_t n)) \
	X(cuMemcpyDtoH_v2, (void *to, devptr from, size_t n)) \
	X(cuMemcpyHtoDAsync_v2, (devptr to, const void *from, size_t n, handle stream)) \
	X(cuMemcpyDtoHAsync_v2, (void *to, devptr from, size_t n, handle stream)) \
	X(cuMemsetD8Async, (devptr p, unsigned char value, size_t n, handle stream)) \
	X(cuStreamCreate, (handle *stream, unsigned flags)) \
	X(cuStreamDestroy_v2, (handle stream)) \
	X(cuStreamQuery, (handle stream)) \
	X(cuLaunchHostFunc, (handle stream, void (*function)(void *data), void *data)) \
	X(cuStreamAddCallback, (handle stream, void (*function)(handle stream, int status, void *data), void *data, unsigned flags)) \
	X(cuStreamSynchronize, (handle stream)) \
	X(cuEventCreate, (handle *event, unsigned flags)) \
	X(cuEventDestroy_v2, (handle event)) \
	X(cuEventRecord, (handle event, handle stream)) \
	X(cuEventSynchronize, (handle event))

#define X(name, parameters) static int (*name) parameters;
GPU_FUNCTIONS(X)
#undef X

enum { GPU_SUCCESS = 0, GPU_NOT_READY = 600 };

static inline const char *gpu_error(int result)
{
	const char *name = NULL;
	if (cuGetErrorName)
		cuGetErrorName(result, &name);
	return name ? name : "unknown error";
}

/* Ends the program with status 1 when a call fails. */
#define MUST(call) \
	do { \
		int result_ = (call); \
		if (result_) { \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, gpu_error(result_)); \
			exit(1); \
		} \
	} while (0)

/* Loads the library only. */
static inline void gpu_load(void)
{
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
#define X(name, parameters) \
	*(void **)&name = dlsym(library, #name); \
	if (!name) { \
		fprintf(stderr, "libcuda.so.1 has no %s\n", #name); \
		exit(2); \
	}
	GPU_FUNCTIONS(X)
#undef X
}

static handle gpu_context;

/* Loads the library and makes the primary context of device 0 current. */
static inline void gpu_open(void)
{
	gpu_load();
	MUST(cuInit(0));
	MUST(cuDevicePrimaryCtxRetain(&gpu_context, 0));
	MUST(cuCtxSetCurrent(gpu_context));
}

static inline uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * empty()                    returns
 * add(u32 *p, u32 n, u32 v)  adds v to the first n words
 * spin(u32 n)                counts to n
 * wild()                     writes to an address that nobody has
 */
static const char gpu_ptx[] =
	".version 6.0\n.target sm_60\n.address_size 64\n"
	".visible .entry empty()\n{\n\tret;\n}\n"
	".visible .entry add(.param .u64 p, .param .u32 n, .param .u32 v)\n{\n"
	"\t.reg .pred %p;\n\t.reg .b32 %a, %b, %c, %i, %n, %v;\n\t.reg .b64 %p0, %o;\n"
	"\tld.param.u64 %p0, [p];\n\tld.param.u32 %n, [n];\n\tld.param.u32 %v, [v];\n"
	"\tmov.u32 %a, %ctaid.x;\n\tmov.u32 %b, %ntid.x;\n\tmov.u32 %c, %tid.x;\n\tmad.lo.u32 %i, %a, %b, %c;\n"
	"\tsetp.ge.u32 %p, %i, %n;\n\t@%p bra DONE;\n"
	"\tcvta.to.global.u64 %p0, %p0;\n\tmul.wide.u32 %o, %i, 4;\n\tadd.u64 %p0, %p0, %o;\n"
	"\tld.global.u32 %a, [%p0];\n\tadd.u32 %a, %a, %v;\n\tst.global.u32 [%p0], %a;\n"
	"DONE:\n\tret;\n}\n"
	".visible .entry spin(.param .u32 n)\n{\n"
	"\t.reg .pred %p;\n\t.reg .b32 %i, %n;\n"
	"\tld.param.u32 %n, [n];\n\tmov.u32 %i, 0;\n"
	"LOOP:\n\tadd.u32 %i, %i, 1;\n\tsetp.lt.u32 %p, %i, %n;\n\t@%p bra LOOP;\n\tret;\n}\n"
	".visible .entry wild()\n{\n\t.reg .b64 %p0;\n\t.reg .b32 %v;\n"
	"\tmov.u64 %p0, 4096;\n\tmov.u32 %v, 1;\n\tst.global.u32 [%p0], %v;\n\tret;\n}\n";

static inline handle gpu_function(handle module, const char *name)
{
	handle function;
	MUST(cuModuleGetFunction(&function, module, name));
	return function;
}

static inline int gpu_launch(handle function, unsigned blocks, unsigned threads, handle stream, void **params)
{
	return cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, stream, params, NULL);
}
