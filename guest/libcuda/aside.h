// SPDX-License-Identifier: Apache-2.0
/* A stack on which a thread can do what must not write to its own. */
#pragma once

/* Calls f on that stack with signals blocked: until it returns, neither this thread nor the kernel on its behalf
 * writes to the thread's own stack. For one thread at a time. */
void aside(void (*f)(void *argument), void *argument);
