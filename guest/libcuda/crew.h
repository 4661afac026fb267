// SPDX-License-Identifier: Apache-2.0
/* Copies of the program's own memory, by several cores where that pays. */
#pragma once
#include <stddef.h>

enum { CREW_WORTHWHILE = 1 << 20 }; /* bytes from which crew_copy asks others to help */

/* Copies n bytes between places that do not overlap, as memcpy does. Safe for concurrent use: who finds the crew
 * at work copies alone. */
void crew_copy(void *to, const void *from, size_t n);
