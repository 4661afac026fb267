// SPDX-License-Identifier: Apache-2.0
/* Most system calls are cancellation points. A thread that the program cancels must not end in one of this library's, with
 * a lock that all others then wait for: it ends in the program's next one. */
#pragma once
#include <pthread.h>

static inline int cancel_hold(void)
{
	int before;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void cancel_allow(int before) { pthread_setcancelstate(before, NULL); }
