// SPDX-License-Identifier: Apache-2.0
/* Copies of many sizes, from several threads at once, with helpers even where cores are few. */
#define CREW_CORES_EACH 1
#include "../../crew.c"

#include <stdlib.h>

#include "check.h"

struct session session;

static void *copies(void *seed)
{
	unsigned state = *(unsigned *)seed;
	enum { ROOM = 6 << 20, EDGE = 64 };
	uint8_t *from = malloc(ROOM), *to = malloc(ROOM + 2 * EDGE);
	for (size_t i = 0; i < ROOM; i++)
		from[i] = (uint8_t)(i * 31 + (i >> 12) + state);
	for (int round = 0; round < 60; round++) {
		state = state * 1103515245 + 12345;
		size_t n = round % 4 ? state % ROOM : (size_t)CREW_WORTHWHILE + state % 3 - 1;
		memset(to, 0xee, ROOM + 2 * EDGE);
		crew_copy(to + EDGE, from, n);
		CHECK(!memcmp(to + EDGE, from, n));
		CHECK(to[EDGE - 1] == 0xee && to[EDGE + n] == 0xee);
	}
	free(from);
	free(to);
	return NULL;
}

int main(void)
{
	pthread_t t[3];
	unsigned seeds[3] = {1, 2, 3};
	session.pid = getpid();
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_create(&t[i], NULL, copies, &seeds[i]));
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	CHECK(crew.helpers > 0);
	return check_failures;
}
