// SPDX-License-Identifier: Apache-2.0
/*
 * A line is formatted on the stack and written by one write(2), so lines of threads and processes do not mix.
 * The file is opened for each line: a descriptor that is kept could be inherited by a fork, or closed by a
 * program that closes all it does not know and then reused for a file of its own. There is no lock that a
 * fork could leave behind, for which reason localtime_r, which has one, is not used either.
 */
#define _GNU_SOURCE
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cancel.h"
#include "logs.h"

enum { LINE_BYTES = 1024, PATH_BYTES = 512, TIME_BYTES = 25 };

static int screen_limit = LOG_WARN, file_limit = LOG_INFO;
static bool screen_time = true;

void log_configure(int screen_level, int file_level, bool time)
{
	screen_limit = screen_level;
	file_limit = file_level;
	screen_time = time;
}

/* Writes "2026-11-24T15:35:07.123Z " and returns TIME_BYTES; the calendar is Gregorian, counted from March 1. */
static size_t format_time(char *at, size_t room)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	unsigned day = (unsigned)(now.tv_sec / 86400), second = (unsigned)(now.tv_sec % 86400);
	unsigned n = day + 719468, era = n / 146097, of_era = n % 146097;
	unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
	unsigned date = of_year - (153 * month + 2) / 5 + 1;

	year += era * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	snprintf(at, room, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ ", year % 10000, month % 100, date % 100, second / 3600,
		 second / 60 % 60, second % 60, (unsigned)(now.tv_nsec / 1000000) % 1000);
	return TIME_BYTES;
}

/* Opens ~/.orion/log/PROGRAM-PID.log, making its folders; -1 if that cannot be, which is no reason to fail. */
static int open_file(void)
{
	char path[PATH_BYTES];
	const char *home = secure_getenv("HOME");
	int base = home && *home == '/' ? snprintf(path, sizeof path, "%s/.orion", home) : -1;
	if (base < 0)
		return -1;
	int n = snprintf(path, sizeof path, "%s/.orion/log/%.64s-%d.log", home, program_invocation_short_name, (int)getpid());
	if ((size_t)n >= sizeof path)
		return -1;

	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd = open(path, flags, 0600);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	for (size_t end = (size_t)base; end < (size_t)base + 5; end += 4) { /* "/log" */
		char next = path[end];
		path[end] = 0;
		mkdir(path, 0700);
		path[end] = next;
	}
	return open(path, flags, 0600);
}

static void write_line(int fd, const char *line, size_t n)
{
	while (write(fd, line, n) < 0 && errno == EINTR)
		;
}

void log_line(int level, const char *format, ...)
{
	static const char *const names[] = {"ERROR", "WARNING", "INFO", "DEBUG"};
	bool screen = level <= screen_limit, file = level <= file_limit, keep = level <= LOG_WARN;
	if (!screen && !file && !keep)
		return;

	int saved = errno, cancel = cancel_hold();
	char line[LINE_BYTES];
	size_t start = format_time(line, sizeof line);
	size_t n = start + (size_t)snprintf(line + start, sizeof line - start, "orion: %s: ", names[level & 3]);
	size_t message = n;
	va_list args;
	va_start(args, format);
	int text = vsnprintf(line + n, sizeof line - n, format, args);
	va_end(args);
	n += text > 0 ? (size_t)text : 0;
	if (n > sizeof line - 2)
		n = sizeof line - 2;
	if (keep)
		logs_note(level, line + message, n - message);
	line[n++] = '\n';

	if (screen) {
		size_t from = screen_time ? 0 : start;
		write_line(STDERR_FILENO, line + from, n - from);
	}
	int fd = file ? open_file() : -1;
	if (fd >= 0) {
		write_line(fd, line, n);
		close(fd);
	}
	cancel_allow(cancel);
	errno = saved;
}
