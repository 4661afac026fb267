// SPDX-License-Identifier: Apache-2.0
/* A test program calls CHECK as it goes, and returns check_failures from main. */
#pragma once
#include <stdio.h>

static int check_failures;

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			check_failures = 1; \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
		} \
	} while (0)

#define CHECK_INT(got, want) \
	do { \
		long long g_ = (long long)(got), w_ = (long long)(want); \
		if (g_ != w_) { \
			check_failures = 1; \
			fprintf(stderr, "%s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #got, g_, w_); \
		} \
	} while (0)
