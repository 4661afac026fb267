// SPDX-License-Identifier: Apache-2.0
/*
 * The newest messages of the library, for programs that ask by cuLogs*. Without locks, for the reasons that
 * log.c gives.
 */
#pragma once
#include <stddef.h>

/* Keeps a message of n bytes, of LOG_ERROR or LOG_WARN, and tells the program's callbacks. */
void logs_note(int level, const char *text, size_t n);
