// SPDX-License-Identifier: Apache-2.0
/*
 * The managed variables of modules and libraries. Where the worker can, it rewrites an image to have them in memory
 * of the session, which the host reaches at the same address as kernels do.
 */
#pragma once
#include "memory.h"

/* Gives the managed variables of the image that was sent a place: *n is how many bytes they need, and becomes where
 * they are, or 0 if they cannot be moved. A CUresult. */
int placed_make(uint64_t *n, bool library);
/* Notes the module or library whose variables these are. */
void placed_own(uint64_t at, void *owner);
/* Takes them from an owner, or nobody, that has them. What they are in is to be released when no kernel uses it. */
bool placed_take(uint64_t at, const void *owner, struct range *range);
/* Whether a name is that of one of the variables at `at`, which may be 0, and where it is. */
bool placed_find(uint64_t at, const char *name, uint64_t *address, uint64_t *size);
