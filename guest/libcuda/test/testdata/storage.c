// SPDX-License-Identifier: Apache-2.0
#include "../../exporttables.h"
#include "check.h"
#include "fakes.h"

#define KEY(n) ((void *)(uintptr_t)(n))

static char order[256];
static size_t destroyed;
static struct object *first, *second;

static void record(void *context, void *key, void *value)
{
	CHECK(context == first || context == second);
	CHECK(value == KEY((uintptr_t)key * 10));
	order[destroyed++ % sizeof order] = (char)(uintptr_t)key;
	/* No lock is held: the storage can be asked from here. */
	void *v;
	CHECK_INT(storage_get(&v, context, key), CUDA_ERROR_INVALID_HANDLE);
}

static void again(void *context, void *key, void *value)
{
	destroyed++;
	CHECK_INT(storage_put(context, key, value, again), CUDA_SUCCESS);
}

static void check_values(void)
{
	void *v = KEY(77);

	CHECK_INT(storage_get(&v, NULL, KEY(1)), CUDA_ERROR_INVALID_CONTEXT);
	CHECK_INT(storage_put(NULL, KEY(1), KEY(10), record), CUDA_ERROR_INVALID_CONTEXT);
	CHECK_INT(storage_get(&v, KEY(4096), KEY(1)), CUDA_ERROR_INVALID_CONTEXT);
	CHECK_INT(storage_get(&v, first, KEY(1)), CUDA_ERROR_INVALID_HANDLE);
	CHECK(v == KEY(77)); /* untouched by all of these */

	CHECK_INT(storage_put(first, KEY(1), KEY(11), record), CUDA_SUCCESS);
	CHECK_INT(storage_get(&v, first, KEY(1)), CUDA_SUCCESS);
	CHECK(v == KEY(11));
	CHECK_INT(storage_put(first, KEY(1), KEY(10), record), CUDA_SUCCESS); /* replaced */
	CHECK_INT(storage_get(&v, first, KEY(1)), CUDA_SUCCESS);
	CHECK(v == KEY(10));
	CHECK_INT(destroyed, 0);
	CHECK_INT(storage_get(&v, second, KEY(1)), CUDA_ERROR_INVALID_HANDLE); /* another context's */
	CHECK_INT(storage_get(NULL, first, KEY(1)), CUDA_ERROR_INVALID_VALUE);

	thread.context = second;
	CHECK_INT(storage_put(NULL, KEY(5), KEY(50), record), CUDA_SUCCESS); /* the current one */
	CHECK_INT(storage_get(&v, second, KEY(5)), CUDA_SUCCESS);
	CHECK(v == KEY(50));
	CHECK_INT(storage_get(&v, first, KEY(5)), CUDA_ERROR_INVALID_HANDLE);
	thread.context = NULL;
}

static void check_destruction(void)
{
	CHECK_INT(storage_put(first, KEY(2), KEY(20), record), CUDA_SUCCESS);
	CHECK_INT(storage_put(first, KEY(3), KEY(30), record), CUDA_SUCCESS);
	CHECK_INT(storage_put(first, KEY(4), KEY(40), NULL), CUDA_SUCCESS);
	CHECK_INT(storage_delete(first, KEY(2)), CUDA_SUCCESS);
	CHECK_INT(storage_delete(first, KEY(2)), CUDA_ERROR_INVALID_HANDLE);
	CHECK_INT(destroyed, 0);
	storage_clear(first);
	CHECK_INT(destroyed, 2); /* 3, then 1: newest first; 2 was deleted, 4 has no destructor, 5 is not first's */
	CHECK(order[0] == 3 && order[1] == 1);
	CHECK(!context_of(first)->storage);
	storage_clear(first);
	CHECK_INT(destroyed, 2);
	storage_clear(second);
	CHECK(destroyed == 3 && order[2] == 5);

	/* One that always puts again ends all the same. */
	destroyed = 0;
	CHECK_INT(storage_put(first, KEY(6), KEY(60), again), CUDA_SUCCESS);
	storage_clear(first);
	CHECK(destroyed > 1 && destroyed < 100);
	CHECK(!context_of(first)->storage);
}

static void *hammer(void *arg)
{
	uintptr_t base = 1000 * (uintptr_t)arg;
	void *v;

	for (int round = 0; round < 200; round++) {
		for (uintptr_t k = base; k < base + 10; k++)
			CHECK_INT(storage_put(first, KEY(k), KEY(k + (uintptr_t)round), NULL), CUDA_SUCCESS);
		for (uintptr_t k = base; k < base + 10; k++) {
			CHECK_INT(storage_get(&v, first, KEY(k)), CUDA_SUCCESS);
			CHECK(v == KEY(k + (uintptr_t)round));
			CHECK_INT(storage_delete(first, KEY(k)), CUDA_SUCCESS);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	void *v;

	first = fake_context(3);
	second = fake_context(4);
	check_values();
	check_destruction();
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, hammer, KEY(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK(!context_of(first)->storage);

	session.state = SESSION_NONE;
	CHECK_INT(storage_get(&v, NULL, KEY(1)), CUDA_ERROR_NOT_INITIALIZED);
	fake_destroy(first);
	fake_destroy(second);
	return check_failures;
}
