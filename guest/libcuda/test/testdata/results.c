// SPDX-License-Identifier: Apache-2.0
/* With the generated table. */
#include "../../results.h"

#include <string.h>

#include "check.h"

extern int cuGetErrorName(int error, const char **name);
extern int cuGetErrorString(int error, const char **text);

int main(void)
{
	const char *s;

	for (size_t i = 0; i < result_count; i++) {
		CHECK(!i || results[i - 1].code < results[i].code);
		CHECK(cuGetErrorName(results[i].code, &s) == 0 && s == results[i].name);
		CHECK(cuGetErrorString(results[i].code, &s) == 0 && s == results[i].text);
		CHECK(*results[i].name && *results[i].text);
	}
	CHECK(cuGetErrorName(0, &s) == 0 && !strcmp(s, "CUDA_SUCCESS"));
	CHECK(cuGetErrorName(801, &s) == 0 && !strcmp(s, "CUDA_ERROR_NOT_SUPPORTED"));
	CHECK(cuGetErrorName(-1, &s) == 1 && !s);
	CHECK(cuGetErrorString(12345, &s) == 1 && !s);
	CHECK(cuGetErrorName(0, NULL) == 1 && cuGetErrorString(0, NULL) == 1);
	return check_failures;
}
