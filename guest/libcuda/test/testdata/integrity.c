// SPDX-License-Identifier: Apache-2.0
/* The answer against one that is put together here byte by byte. */
#include <unistd.h>

#include "../../exporttables.h"
#include "../../md2.h"
#include "check.h"
#include "fakes.h"

const void *const cudart_interface[] = {(const void *)0x68};
const void *const integrity_table[] = {(const void *)0x18, (const void *)integrity_check, (const void *)integrity_enable};

static uint8_t message[1024];
static size_t used;

static void put(uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		message[used++] = (uint8_t)(v >> 8 * i);
}

static void digest(uint8_t mask, const uint8_t *text, size_t n, uint8_t out[MD2_SIZE])
{
	static const uint8_t key[] = {0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52, 0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f};
	struct md2 m;
	md2_init(&m);
	for (size_t i = 0; i < sizeof key; i++) {
		uint8_t b = key[i] ^ mask;
		md2_update(&m, &b, 1);
	}
	md2_update(&m, text, n);
	md2_final(&m, out);
}

static void check_keyed(uint32_t version, uint64_t seconds)
{
	uint8_t inner[MD2_SIZE], want[MD2_SIZE];
	uint64_t got[2];

	used = 0;
	put((uint64_t)session.driver_version, 4);
	put(version, 4);
	put((uint64_t)getpid(), 4);
	put((uint64_t)pthread_self(), 4);
	put((uintptr_t)cudart_interface, 8);
	put((uintptr_t)integrity_table, 8);
	put((uintptr_t)integrity_check, 8);
	put(seconds, 8);
	for (int i = 0; i < session.device_count; i++) {
		for (int j = 0; j < 16; j++)
			put(session.devices[i].uuid[j], 1);
		put((uint64_t)session.devices[i].domain, 4);
		put((uint64_t)session.devices[i].bus, 4);
		put((uint64_t)session.devices[i].slot, 4);
	}
	digest(0x36, message, used, inner);
	digest(0x5c, inner, sizeof inner, want);
	CHECK_INT(integrity_check(version, seconds, got), CUDA_SUCCESS);
	CHECK(!memcmp(got, want, sizeof want));
}

static void *on_another_thread(void *arg)
{
	(void)arg;
	check_keyed(12082, 1764000000);
	return NULL;
}

int main(void)
{
	uint64_t answer[2], other[2];
	pthread_t t;

	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 16; j++)
			session.devices[i].uuid[j] = (uint8_t)(16 * i + j + 100);
		session.devices[i].domain = i;
		session.devices[i].bus = 0x41 + i;
		session.devices[i].slot = 3;
	}
	CHECK_INT(integrity_check(13000, 1, answer), CUDA_SUCCESS);
	CHECK(answer[0] == 0x3341181c03cb675c && answer[1] == 0x8ed383aa1f4cd1e8);
	CHECK_INT(integrity_check(12081, 1, answer), CUDA_SUCCESS);
	CHECK(answer[0] == 0x1841181c03cb675c && answer[1] == 0x8ed383aa1f4cd1e8);

	check_keyed(13002, 1764000000);
	check_keyed(11085, 0);
	pthread_create(&t, NULL, on_another_thread, NULL);
	pthread_join(t, NULL);

	/* Each part counts. */
	CHECK_INT(integrity_check(13002, 7, answer), CUDA_SUCCESS);
	session.devices[1].uuid[15] ^= 1;
	CHECK_INT(integrity_check(13002, 7, other), CUDA_SUCCESS);
	CHECK(memcmp(answer, other, sizeof answer));

	CHECK_INT(integrity_check(13002, 7, NULL), CUDA_ERROR_INVALID_VALUE);
	session.state = SESSION_FORKED;
	CHECK_INT(integrity_check(13002, 7, answer), CUDA_ERROR_NOT_INITIALIZED);
	CHECK_INT(integrity_enable(1), CUDA_SUCCESS);
	return check_failures;
}
