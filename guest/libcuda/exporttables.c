// SPDX-License-Identifier: Apache-2.0
/*
 * cuGetExportTable. NVIDIA's runtime libraries reach parts of the driver through tables of functions that have
 * no names. Word 0 of a table is its size in bytes, except in context-local storage; sizes are driver 580's.
 * Callers do not test for NULL, so every slot holds a function: what is not served says so once in the log.
 * Tables are static, since their addresses enter the integrity check.
 */
#include "exporttables.h"

#include <stdlib.h>

#include "context.h"
#include "exported.h"
#include "log.h"
#include "state.h"
#include "stream.h"


static int slot_unknown(const char *table, const char *slot, int *once)
{
	if (!__atomic_exchange_n(once, 1, __ATOMIC_RELAXED))
		log_line(LOG_WARN, "slot %s of the private table %s is not supported on a vGPU", slot, table);
	return CUDA_ERROR_NOT_SUPPORTED;
}

#define SIZE(bytes) [0] = (const void *)(bytes)
#define SLOT(n, function) [n] = (const void *)(function)

/* For slots that are not served: STUB makes the function, ENTRY its place in the table. */
#define STUB(t, n) \
	static int t##_##n(void) \
	{ \
		static int once; \
		return slot_unknown(&#t[1], #n, &once); \
	}
#define ENTRY(t, n) SLOT(n, t##_##n),
#define TEN(m, t, d) \
	m(t, d##0) m(t, d##1) m(t, d##2) m(t, d##3) m(t, d##4) m(t, d##5) m(t, d##6) m(t, d##7) m(t, d##8) m(t, d##9)

/* 6bd5fb6c: cudart's own interface. */

static int primary_context_handle(void **context, int device)
{
	int r = enter();
	if (r)
		return r;
	if (!context)
		return CUDA_ERROR_INVALID_VALUE;
	if (device < 0 || device >= session.device_count)
		return CUDA_ERROR_INVALID_DEVICE;
	struct object *name = session.devices[device].primary_name;
	extern struct object *primary_context_name(int device);
	if (!name)
		name = primary_context_name(device);
	*context = name;
	return name ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static int load_wrapper(void **module, const void *wrapper) { return cuModuleLoadData(module, wrapper); }

/* What the last three arguments mean is not public; all callers seen pass 0. */
static int load_wrapper_extended(void **module, const void *wrapper, void *a, void *b, uint32_t c)
{
	return a || b || c ? CUDA_ERROR_NOT_SUPPORTED : cuModuleLoadData(module, wrapper);
}

static int load_fatbin(const void *fatbin, void **module, void *a, void *b, uint32_t c)
{
	return load_wrapper_extended(module, fatbin, a, b, c);
}

static void module_going(size_t size) { (void)size; }

#define UNKNOWN_6bd5fb6c(m, t) m(t, 3) m(t, 4) m(t, 5) m(t, 9) m(t, 10) m(t, 11) m(t, 12)
UNKNOWN_6bd5fb6c(STUB, t6bd5fb6c)
const void *const cudart_interface[] = {
	SIZE(0x68),
	SLOT(1, load_wrapper),
	SLOT(2, primary_context_handle),
	SLOT(6, load_wrapper_extended),
	SLOT(7, module_going),
	SLOT(8, load_fatbin),
	UNKNOWN_6bd5fb6c(ENTRY, t6bd5fb6c)
};

/* a094798c: hooks of tools that trace cudart. Nobody traces, so all switches are off. */

static void hooks_large(void **buffer, size_t *n)
{
	static uint64_t switches[1024];
	*buffer = switches;
	*n = 1024;
}

static void hooks_small(void **buffer, size_t *n)
{
	static uint64_t switches[14];
	*buffer = switches;
	*n = 14;
}

#define UNKNOWN_a094798c(m, t) m(t, 1) m(t, 3) m(t, 4) m(t, 5)
UNKNOWN_a094798c(STUB, ta094798c)
static const void *const tools_hooks[] = {
	SIZE(0x38),
	SLOT(2, hooks_large),
	SLOT(6, hooks_small),
	UNKNOWN_a094798c(ENTRY, ta094798c)
};

/* 42d85a81: the thread's state. */

static int current_context(void **context)
{
	if (!context)
		return CUDA_ERROR_INVALID_VALUE;
	*context = thread.context;
	return CUDA_SUCCESS;
}

STUB(t42d85a81, 1)
static const void *const tools_thread[] = {SIZE(0x18), ENTRY(t42d85a81, 1) SLOT(2, current_context)};

/* c693336e: context-local storage, see storage.c. It has no size; a spare slot ends it. */

STUB(tc693336e, 3)
static const void *const context_storage[] = {
	SLOT(0, storage_put),
	SLOT(1, storage_delete),
	SLOT(2, storage_get),
	ENTRY(tc693336e, 3)
};

/* 263e8860: checks of a context. */

/* The third argument must be left as it is: cublasCreate fails when it is cleared. */
static int context_check(void *context, uint32_t *result, void **untouched)
{
	(void)context;
	(void)untouched;
	if (result)
		*result = 0;
	return CUDA_SUCCESS;
}

static int context_check_simple(void) { return CUDA_SUCCESS; }

#define UNKNOWN_263e8860(m, t) \
	m(t, 1) m(t, 4) m(t, 5) m(t, 6) m(t, 7) m(t, 8) m(t, 9) m(t, 10) m(t, 11) m(t, 12) m(t, 13) m(t, 14)
UNKNOWN_263e8860(STUB, t263e8860)
static const void *const context_checks[] = {
	SIZE(0x78),
	SLOT(2, context_check),
	SLOT(3, context_check_simple),
	UNKNOWN_263e8860(ENTRY, t263e8860)
};

/* d4082055: the integrity check, see integrity.c. */
const void *const integrity_table[] = {SIZE(0x18), SLOT(1, integrity_check), SLOT(2, integrity_enable)};

/*
 * 21318c60: contexts for tools and libraries. cuBLAS's dot products, triangular solves and some matrix-vector products ask
 * slot 51 (context, stream, out, flag) for what the driver has behind a stream, and give that to slot 39 (context, it, out)
 * alone, which says what cuStreamGetId would. Measured on an H200 with driver 580; an address that cannot be read does for it.
 */
#define UNKNOWN_21318c60(m, t) \
	m(t, 1) m(t, 2) m(t, 3) m(t, 5) m(t, 6) m(t, 7) m(t, 8) m(t, 9) TEN(m, t, 1) TEN(m, t, 2) m(t, 30) \
	m(t, 31) m(t, 32) m(t, 33) m(t, 34) m(t, 35) m(t, 36) m(t, 37) m(t, 38) TEN(m, t, 4) m(t, 50) m(t, 52) m(t, 53) \
	m(t, 54) m(t, 55) m(t, 56) m(t, 57) m(t, 58) m(t, 59) TEN(m, t, 6) TEN(m, t, 7) TEN(m, t, 8) m(t, 90) m(t, 91) m(t, 92)
UNKNOWN_21318c60(STUB, t21318c60)
static const void *const tools_context[] = {
	SIZE(0x2e8),
	SLOT(4, cuCtxGetId),
	SLOT(39, stream_name_id),
	SLOT(51, stream_name),
	UNKNOWN_21318c60(ENTRY, t21318c60)
};

/* 6e163fbe: modules for tools and libraries. */

/*
 * Calls back for each function of a module and returns their number; so public stand-ins describe what cuFFT
 * uses. The callback's third argument is the function's module.
 */
static uint64_t iterate_functions(void *context, void *module, void (*callback)(void *, void *, void *), void *arg)
{
	unsigned int count = 0;
	(void)context; /* a handle says where it belongs */
	if (cuModuleGetFunctionCount(&count, module) || !count)
		return 0;
	void **functions = calloc(count, sizeof *functions);
	if (!functions || cuModuleEnumerateFunctions(functions, count, module))
		count = 0;
	for (unsigned int i = 0; i < count && callback; i++)
		callback(arg, functions[i], module);
	free(functions);
	return count;
}

#define UNKNOWN_6e163fbe(m, t) \
	m(t, 1) m(t, 2) m(t, 3) m(t, 4) m(t, 5) m(t, 6) m(t, 8) m(t, 9) TEN(m, t, 1) TEN(m, t, 2) TEN(m, t, 3) \
	TEN(m, t, 4) TEN(m, t, 5) TEN(m, t, 6) TEN(m, t, 7) TEN(m, t, 8) m(t, 90) m(t, 91) m(t, 92) m(t, 93) \
	m(t, 94) m(t, 95) m(t, 96) m(t, 97) m(t, 98)
UNKNOWN_6e163fbe(STUB, t6e163fbe)
static const void *const tools_module[] = {
	SIZE(0x318),
	SLOT(7, iterate_functions),
	UNKNOWN_6e163fbe(ENTRY, t6e163fbe)
};

/*
 * 1734dc26: cuBLASLt asks for it when it chooses bf16 and fp16 matrix products on Hopper, and calls slot 4 of
 * what it got without a look (seen in cuBLAS 13 on an H100). Slot 4 takes two pointers for results, and an
 * error makes the caller do without; slot 13 would give the results back. Nothing more of it is known.
 */
#define UNKNOWN_1734dc26(m, t) m(t, 1) m(t, 2) m(t, 3) m(t, 4) m(t, 5) m(t, 6) m(t, 7) m(t, 8) m(t, 9) TEN(m, t, 1) TEN(m, t, 2) TEN(m, t, 3)
UNKNOWN_1734dc26(STUB, t1734dc26)
static const void *const library_hints[] = {SIZE(0x140), UNKNOWN_1734dc26(ENTRY, t1734dc26)};

/* da9151d3: what compilers ask. Without the table nvJitLink links nothing with -lto, but it does without an answer of the
 * slot that it calls; NVRTC does without both. */

static int compiler_question(void) { return CUDA_ERROR_NOT_SUPPORTED; }

#define UNKNOWN_da9151d3(m, t) m(t, 2) m(t, 3) m(t, 4) m(t, 5) m(t, 6)
UNKNOWN_da9151d3(STUB, tda9151d3)
static const void *const compiler_questions[] = {SIZE(0x38), SLOT(1, compiler_question), UNKNOWN_da9151d3(ENTRY, tda9151d3)};

/* Table f8cff951 (a log for cuDNN) is refused: its caller does without. */
static const struct {
	uint8_t id[16];
	const void *const *table;
} tables[] = {
	{{0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a, 0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d, 0xf9}, cudart_interface},
	{{0xa0, 0x94, 0x79, 0x8c, 0x2e, 0x74, 0x2e, 0x74, 0x93, 0xf2, 0x08, 0x00, 0x20, 0x0c, 0x0a, 0x66}, tools_hooks},
	{{0x42, 0xd8, 0x5a, 0x81, 0x23, 0xf6, 0xcb, 0x47, 0x82, 0x98, 0xf6, 0xe7, 0x8a, 0x3a, 0xec, 0xdc}, tools_thread},
	{{0xc6, 0x93, 0x33, 0x6e, 0x11, 0x21, 0xdf, 0x11, 0xa8, 0xc3, 0x68, 0xf3, 0x55, 0xd8, 0x95, 0x93}, context_storage},
	{{0x26, 0x3e, 0x88, 0x60, 0x7c, 0xd2, 0x61, 0x43, 0x92, 0xf6, 0xbb, 0xd5, 0x00, 0x6d, 0xfa, 0x7e}, context_checks},
	{{0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d, 0x34, 0xba, 0x12, 0x3c, 0x66, 0xe1, 0xf2}, integrity_table},
	{{0x21, 0x31, 0x8c, 0x60, 0x97, 0x14, 0x32, 0x48, 0x8c, 0xa6, 0x41, 0xff, 0x73, 0x24, 0xc8, 0xf2}, tools_context},
	{{0x6e, 0x16, 0x3f, 0xbe, 0xb9, 0x58, 0x44, 0x4d, 0x83, 0x5c, 0xe1, 0x82, 0xaf, 0xf1, 0x99, 0x1e}, tools_module},
	{{0x17, 0x34, 0xdc, 0x26, 0x80, 0x0d, 0x47, 0x45, 0x87, 0x26, 0xc0, 0xf1, 0xe7, 0xdd, 0x8b, 0xca}, library_hints},
	{{0xda, 0x91, 0x51, 0xd3, 0x3a, 0xe6, 0xcc, 0x41, 0xa5, 0xc0, 0x4f, 0x26, 0xd5, 0x33, 0xe3, 0x28}, compiler_questions},
};

EXPORT int cuGetExportTable(const void **table, const void *id)
{
	if (!table)
		return CUDA_ERROR_INVALID_VALUE;
	*table = NULL;
	for (size_t i = 0; id && i < sizeof tables / sizeof *tables; i++) {
		if (!memcmp(tables[i].id, id, sizeof tables[i].id)) {
			*table = tables[i].table;
			return CUDA_SUCCESS;
		}
	}
	const uint8_t *b = id;
	if (b)
		log_line(LOG_INFO, "refused export table %02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
			b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return CUDA_ERROR_INVALID_VALUE;
}
