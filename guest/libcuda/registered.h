// SPDX-License-Identifier: Apache-2.0
/*
 * Pages of the program that are the region's while they are registered.
 *
 * A registration begins and ends at any byte, so that two can meet in a page. Whichever came first has that page. The bytes
 * of the other have to follow one another in the region, too: there the page is mapped a second time, at their beginning or
 * end. Should the first be unregistered before the other is, its pages stay the region's until then.
 *
 * The caller has registered_lock throughout; fork takes it as well.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct range;

void registered_lock(void);
void registered_unlock(void);

/* Whether some of these pages are the region's. */
bool registered_some(uint64_t from, uint64_t to);
/* Registers the pages [from, to) of a range, which then is in the table. A CUresult. */
int registered_begin(struct range *range, uint64_t from, uint64_t to);
/* Makes the pages of a range that has left the table the program's own again, but for those that the program has put others in
 * the place of, or has unmapped: the stack of a thread that has ended, say. False, and nothing done, if there is no memory for
 * them; else a CUresult in result. */
bool registered_end(const struct range *range, int *result);

/* Says in the log why memory cannot be registered. CUDA_ERROR_NOT_SUPPORTED. */
int registered_refuse(const void *p, uint64_t n, const char *why);
