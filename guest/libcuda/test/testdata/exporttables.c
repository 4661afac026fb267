// SPDX-License-Identifier: Apache-2.0
#include "../../exporttables.h"
#include "check.h"
#include "fakes.h"

extern int cuGetExportTable(const void **table, const void *id);

static const void *loaded;
static struct object *named;

/* The rest of the library. */
int cuModuleLoadData(void **module, const void *image)
{
	loaded = image;
	*module = (void *)0x55;
	return CUDA_SUCCESS;
}

int cuModuleGetFunctionCount(unsigned int *count, void *module)
{
	*count = 3;
	return module == (void *)0x55 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

int cuModuleEnumerateFunctions(void **functions, unsigned int count, void *module)
{
	(void)module;
	for (unsigned int i = 0; i < count; i++)
		functions[i] = (void *)(uintptr_t)(0x100 + i);
	return CUDA_SUCCESS;
}

int cuCtxGetId(void *context, uint64_t *id)
{
	*id = context_of(context)->id;
	return CUDA_SUCCESS;
}

int stream_name(void *context, void *stream, void **name, uint32_t per_thread)
{
	*name = per_thread ? context : stream;
	return CUDA_SUCCESS;
}

int stream_name_id(void *context, void *name, uint64_t *id)
{
	*id = name == context ? 1 : 2;
	return CUDA_SUCCESS;
}

struct object *primary_context_name(int device)
{
	session.devices[device].primary_name = named;
	return named;
}

static const void *const *table(const char *hex)
{
	uint8_t id[16];
	const void *t;
	for (int i = 0; i < 16; i++)
		sscanf(hex + 2 * i, "%2hhx", &id[i]);
	return cuGetExportTable(&t, id) ? NULL : t;
}

static const struct {
	const char *id;
	uintptr_t size;
	int unknown; /* a slot that is not served */
} sizes[] = {
	{"6bd5fb6c5bf4e74a8987d93912fd9df9", 0x68, 12},
	{"a094798c2e742e7493f20800200c0a66", 0x38, 1},
	{"42d85a8123f6cb478298f6e78a3aecdc", 0x18, 1},
	{"263e88607cd2614392f6bbd5006dfa7e", 0x78, 14},
	{"d4082055bde6704b8d34ba123c66e1f2", 0x18, 0},
	{"21318c60971432488ca641ff7324c8f2", 0x2e8, 92},
	{"6e163fbeb958444d835ce182aff1991e", 0x318, 98},
	{"da9151d33ae6cc41a5c04f26d533e328", 0x38, 6},
};

static void check_shapes(void)
{
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const void *const *t = table(sizes[i].id);
		CHECK(t && t == table(sizes[i].id));
		if (!t)
			continue;
		CHECK_INT((uintptr_t)t[0], sizes[i].size);
		for (size_t slot = 1; slot < sizes[i].size / sizeof *t; slot++) {
			CHECK(t[slot]);
			for (size_t other = 1; other < slot; other++)
				CHECK(t[slot] != t[other]); /* each says its own name */
		}
		if (sizes[i].unknown) {
			int before = lines_logged;
			int (*unknown)(void) = (int (*)(void))t[sizes[i].unknown];
			CHECK_INT(unknown(), CUDA_ERROR_NOT_SUPPORTED);
			CHECK_INT(unknown(), CUDA_ERROR_NOT_SUPPORTED);
			CHECK_INT(lines_logged, before + 1);
		}
	}
	const void *t = &t;
	CHECK_INT(cuGetExportTable(&t, "0123456789abcdef"), CUDA_ERROR_INVALID_VALUE);
	CHECK(!t);
	CHECK_INT(cuGetExportTable(&t, NULL), CUDA_ERROR_INVALID_VALUE);
	CHECK_INT(cuGetExportTable(NULL, "0123456789abcdef"), CUDA_ERROR_INVALID_VALUE);
	CHECK(!table("f8cff95121468b4eb9e2fb469e7c0dd9"));
	CHECK(table(sizes[0].id) == cudart_interface && table(sizes[4].id) == integrity_table);
}

static void check_cudart(void)
{
	const void *const *t = table(sizes[0].id);
	int (*wrapper)(void **, const void *) = (int (*)(void **, const void *))t[1];
	int (*primary)(void **, int) = (int (*)(void **, int))t[2];
	int (*extended)(void **, const void *, void *, void *, uint32_t) = (int (*)(void **, const void *, void *, void *, uint32_t))t[6];
	void (*going)(size_t) = (void (*)(size_t))t[7];
	int (*fatbin)(const void *, void **, void *, void *, uint32_t) = (int (*)(const void *, void **, void *, void *, uint32_t))t[8];
	void *out = NULL;

	CHECK(wrapper(&out, "a") == CUDA_SUCCESS && out == (void *)0x55 && *(const char *)loaded == 'a');
	CHECK(extended(&out, "b", NULL, NULL, 0) == CUDA_SUCCESS && *(const char *)loaded == 'b');
	CHECK(fatbin("c", &out, NULL, NULL, 0) == CUDA_SUCCESS && *(const char *)loaded == 'c');
	CHECK_INT(extended(&out, "d", NULL, NULL, 1), CUDA_ERROR_NOT_SUPPORTED);
	CHECK_INT(extended(&out, "d", &out, NULL, 0), CUDA_ERROR_NOT_SUPPORTED);
	CHECK(*(const char *)loaded == 'c');
	going(1);

	named = fake_context(9);
	CHECK(primary(&out, 1) == CUDA_SUCCESS && out == named && !thread.context && !session.devices[1].primary);
	CHECK_INT(primary(&out, 2), CUDA_ERROR_INVALID_DEVICE);
	CHECK_INT(primary(&out, -1), CUDA_ERROR_INVALID_DEVICE);
	CHECK_INT(primary(NULL, 0), CUDA_ERROR_INVALID_VALUE);
	session.state = SESSION_NONE;
	CHECK_INT(primary(&out, 0), CUDA_ERROR_NOT_INITIALIZED);
	session.state = SESSION_LIVE;
}

static void *expected_arg;
static int called;

static void on_function(void *arg, void *function, void *module)
{
	CHECK(arg == expected_arg && module == (void *)0x55);
	CHECK(function == (void *)(uintptr_t)(0x100 + called));
	called++;
}

static void check_others(void)
{
	void (*large)(void **, size_t *) = (void (*)(void **, size_t *))table(sizes[1].id)[2];
	void (*small)(void **, size_t *) = (void (*)(void **, size_t *))table(sizes[1].id)[6];
	int (*current)(void **) = (int (*)(void **))table(sizes[2].id)[2];
	int (*check)(void *, uint32_t *, void **) = (int (*)(void *, uint32_t *, void **))table(sizes[3].id)[2];
	int (*id)(void *, uint64_t *) = (int (*)(void *, uint64_t *))table(sizes[5].id)[4];
	uint64_t (*iterate)(void *, void *, void (*)(void *, void *, void *), void *) =
		(uint64_t (*)(void *, void *, void (*)(void *, void *, void *), void *))table(sizes[6].id)[7];
	void *buffer, *out = &out;
	size_t n;

	large(&buffer, &n);
	CHECK(n == 1024 && *(char *)buffer == 0);
	small(&buffer, &n);
	CHECK(n == 14 && *(char *)buffer == 0);

	CHECK(current(&out) == CUDA_SUCCESS && !out);
	thread.context = named;
	CHECK(current(&out) == CUDA_SUCCESS && out == named);
	CHECK_INT(current(NULL), CUDA_ERROR_INVALID_VALUE);

	uint32_t result = 5;
	void *untouched = &untouched;
	CHECK(check(named, &result, &untouched) == CUDA_SUCCESS && result == 0 && untouched == &untouched);

	uint64_t value = 0;
	CHECK(id(named, &value) == CUDA_SUCCESS && value == context_of(named)->id);

	int (*name)(void *, void *, void **, uint32_t) = (int (*)(void *, void *, void **, uint32_t))table(sizes[5].id)[51];
	int (*id_of_name)(void *, void *, uint64_t *) = (int (*)(void *, void *, uint64_t *))table(sizes[5].id)[39];
	CHECK(name(named, &value, &out, 0) == CUDA_SUCCESS && out == &value);
	CHECK(id_of_name(named, out, &value) == CUDA_SUCCESS && value == 2);

	expected_arg = &value;
	CHECK(iterate(named, (void *)0x55, on_function, &value) == 3 && called == 3);
	CHECK(iterate(named, (void *)0x66, on_function, &value) == 0 && called == 3);
	CHECK_INT(iterate(named, (void *)0x55, NULL, NULL), 3);

	/* Storage has no size word. */
	const void *const *storage = table("c693336e1121df11a8c368f355d89593");
	CHECK(storage[0] == (const void *)storage_put && storage[1] == (const void *)storage_delete &&
	      storage[2] == (const void *)storage_get && storage[3]);
}

int main(void)
{
	check_shapes();
	check_cudart();
	check_others();
	fake_destroy(named);
	return check_failures;
}
