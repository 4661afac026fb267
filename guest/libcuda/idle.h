// SPDX-License-Identifier: Apache-2.0
/*
 * What is known to be done without asking. A stream, or a whole context, that has been waited for is idle as long as
 * no command of any thread has entered the ring since: the ring's position tells. So a program that waits twice, or
 * asks for a value and then synchronises, pays for one answer.
 */
#pragma once
#include <stdbool.h>

/* Whether a stream, or all of the current context, are known to be idle. */
bool idle_stream(void *stream);
bool idle_context(void);
/* Notes that the calling thread's last answered command came after all work of a stream, or of the context. What is noted
 * of a stream goes for the context where the worker has said so. */
void idle_note_stream(void *stream);
void idle_note_context(void);
