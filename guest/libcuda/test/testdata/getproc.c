// SPDX-License-Identifier: Apache-2.0
#include "../../procs.h"
#include "check.h"
#include "fakes.h"

extern int cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, int *status);
extern int cuGetProcAddress(const char *symbol, void **function, int version, uint64_t flags);

#define F(n) ((void *)(uintptr_t)(n))

const struct proc procs[] = {
	{"cuAlpha", 12050, 0, F(1)},
	{"cuAlpha", 11040, 0, F(2)},
	{"cuAlpha", 3020, 0, F(3)},
	{"cuBeta", 7000, 1, F(4)},
	{"cuBeta", 2000, 0, F(5)},
	{"cuGetProcAddress", 12000, 0, F(6)},
	{"cuGetProcAddress", 11030, 0, F(7)},
	{"cuOmega", 13000, 0, F(8)},
};
const size_t proc_count = sizeof procs / sizeof *procs;

enum { FOUND, NOT_FOUND, TOO_LOW };

static const struct {
	const char *name;
	int version, flags, host; /* host: the session's driver, 0 without one */
	int want, status;
} cases[] = {
	{"cuAlpha", 13000, 0, 13000, 1, FOUND},
	{"cuAlpha", 12050, 0, 13000, 1, FOUND},
	{"cuAlpha", 12040, 0, 13000, 2, FOUND},
	{"cuAlpha", 11000, 0, 13000, 3, FOUND},
	{"cuAlpha", 3000, 0, 13000, 0, TOO_LOW},
	{"cuAlpha", 13000, 0, 12040, 2, FOUND}, /* no newer than the host */
	{"cuAlpha", 13000, 0, 0, 1, FOUND},
	{"cuAlpha", 13000, 2, 13000, 1, FOUND}, /* without a per-thread variant */
	{"cuBeta", 12000, 0, 13000, 5, FOUND},
	{"cuBeta", 12000, 1, 13000, 5, FOUND},
	{"cuBeta", 12000, 2, 13000, 4, FOUND},
	{"cuBeta", 6050, 2, 13000, 5, FOUND},
	{"cuGetProcAddress", 12000, 0, 13000, 6, FOUND},
	{"cuGetProcAddress", 11080, 0, 13000, 7, FOUND},
	{"cuOmega", 12080, 0, 13000, 0, TOO_LOW},
	{"cuOmega", 13000, 0, 12080, 0, TOO_LOW},
	{"cuOmegaX", 13000, 0, 13000, 0, NOT_FOUND},
	{"cuAlph", 13000, 0, 13000, 0, NOT_FOUND},
	{"zzz", 13000, 0, 13000, 0, NOT_FOUND},
	{"", 13000, 0, 13000, 0, NOT_FOUND},
};

int main(void)
{
	int status;
	void *f;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		session.state = cases[i].host ? SESSION_LIVE : SESSION_NONE;
		session.driver_version = cases[i].host;
		f = &f;
		status = 99;
		int r = cuGetProcAddress_v2(cases[i].name, &f, cases[i].version, (uint64_t)cases[i].flags, &status);
		if (r || f != F(cases[i].want) || status != cases[i].status) {
			fprintf(stderr, "%s at %d: result %d, function %p, status %d\n", cases[i].name, cases[i].version, r, f, status);
			check_failures = 1;
		}
		f = &f;
		r = cuGetProcAddress(cases[i].name, &f, cases[i].version, (uint64_t)cases[i].flags);
		CHECK_INT(r, cases[i].want ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND);
		CHECK(f == F(cases[i].want));
		CHECK_INT(cuGetProcAddress_v2(cases[i].name, &f, cases[i].version, (uint64_t)cases[i].flags, NULL), CUDA_SUCCESS);
	}
	CHECK_INT(cuGetProcAddress_v2("", NULL, 12000, 0, NULL), CUDA_SUCCESS);
	CHECK_INT(cuGetProcAddress_v2("cuAlpha", NULL, 12000, 0, &status), CUDA_SUCCESS);
	CHECK_INT(cuGetProcAddress_v2(NULL, &f, 12000, 0, &status), CUDA_ERROR_INVALID_VALUE);
	CHECK_INT(cuGetProcAddress_v2("cuAlpha", &f, 12000, 4, &status), CUDA_ERROR_INVALID_VALUE);
	CHECK_INT(cuGetProcAddress(NULL, &f, 11080, 0), CUDA_ERROR_INVALID_VALUE);
	return check_failures;
}
