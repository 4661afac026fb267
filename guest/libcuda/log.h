// SPDX-License-Identifier: Apache-2.0
/*
 * The client's log: standard error for warnings and worse, and ~/.orion/log/PROGRAM-PID.log for everything up
 * to the configured level. Nothing is opened before the first line.
 */
#pragma once
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Levels up to which lines are written, -1 for none, and whether those on the screen begin with the time. */
void log_configure(int screen_level, int file_level, bool time);
