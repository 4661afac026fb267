// SPDX-License-Identifier: Apache-2.0
#include "../../visible.h"

#include <stdlib.h>

#include "check.h"

static const struct {
	const char *list;
	int granted, shown;
	bool exact;
} lists[] = {
	{NULL, 3, 3, true},
	{"", 3, 0, true},
	{"-1", 3, 0, true},
	{"none", 3, 0, true},
	{"0", 3, 1, true},
	{"0,1", 3, 2, true},
	{" 0 , 1 ,2 ", 3, 3, true},
	{"0,-1,1", 3, 1, true},
	{"0,1x,2", 3, 1, true},
	{"0,,1", 3, 1, true},
	{"0,7,1", 3, 1, true},
	{"3", 3, 0, true},
	{"99999999999999999999999", 16, 0, true},
	{"0,0", 3, 0, true},
	{"1", 3, 1, false},
	{"1,0", 3, 2, false},
	{"GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", 3, 3, false},
};

int main(void)
{
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		bool exact;
		int shown = visible_devices(lists[i].list, lists[i].granted, &exact);
		if (shown != lists[i].shown || (shown && exact != lists[i].exact)) {
			fprintf(stderr, "%s of %d: %d shown, exact %d\n", lists[i].list, lists[i].granted, shown, exact);
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
