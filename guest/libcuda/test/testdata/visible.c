// SPDX-License-Identifier: Apache-2.0
#include "../../visible.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static const struct {
	const char *list;
	int granted, shown;
	uint8_t order[4];
} lists[] = {
	{NULL, 3, 3, {0, 1, 2}},
	{"", 3, 0, {0}},
	{"-1", 3, 0, {0}},
	{"none", 3, 0, {0}},
	{"0", 3, 1, {0}},
	{"2,1", 3, 2, {2, 1}},
	{" 0 , 2 ,1 ", 3, 3, {0, 2, 1}},
	{"0,-1,1", 3, 1, {0}},
	{"0,1x,2", 3, 1, {0}},
	{"0,,1", 3, 1, {0}},
	{"1,7,0", 3, 1, {1}},
	{"3", 3, 0, {0}},
	{"99999999999999999999999", 16, 0, {0}},
	{"0,1,0", 3, 0, {0}},
	{"GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", 3, VISIBLE_UUIDS, {0}},
};

int main(void)
{
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		uint8_t order[WIRE_MAX_DEVICES];
		int shown = visible_devices(lists[i].list, lists[i].granted, order);
		if (shown != lists[i].shown || (shown > 0 && memcmp(order, lists[i].order, (size_t)shown))) {
			fprintf(stderr, "%s of %d: %d shown, the first is %d\n", lists[i].list, lists[i].granted, shown, order[0]);
			check_failures = 1;
		}
	}
	unsetenv("CUDA_VISIBLE_DEVICES");
	CHECK(!visible_none());
	setenv("CUDA_VISIBLE_DEVICES", "", 1);
	CHECK(visible_none());
	setenv("CUDA_VISIBLE_DEVICES", "15", 1); /* there may be so many */
	CHECK(!visible_none());
	return check_failures;
}
