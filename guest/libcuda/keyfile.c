// SPDX-License-Identifier: Apache-2.0
/* The same rules as host/keyfile has for the Go programs: both read client.conf. */
#include "keyfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { MAX_BYTES = 1 << 20, MAX_KEYS = 32 };

struct reader {
	const char *path;
	const struct key *keys;
	size_t count;
	void *into;
	int line;
	char section[64];
	int seen[MAX_KEYS]; /* the line that set each key */
	char *message;
	size_t room;
};

__attribute__((format(printf, 2, 3))) static bool fail(struct reader *r, const char *format, ...)
{
	int n = r->line ? snprintf(r->message, r->room, "%s:%d: ", r->path, r->line) : snprintf(r->message, r->room, "%s: ", r->path);
	if (n >= 0 && (size_t)n < r->room) {
		va_list args;
		va_start(args, format);
		vsnprintf(r->message + n, r->room - (size_t)n, format, args);
		va_end(args);
	}
	return false;
}

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	s[n] = 0;
	return s;
}

static bool comment(const char *s) { return *s == '#' || *s == ';'; }

/* The value without its quotes, or without a comment that a space sets apart. */
static char *unquote(char *value)
{
	size_t n = strlen(value);
	if ((*value == '"' || *value == '\'')) {
		char *end = strchr(value + 1, *value);
		if (end && (end == value + n - 1 || comment(trim(end + 1)))) {
			*end = 0;
			return value + 1;
		}
	}
	for (char *p = value; *p; p++) {
		if (comment(p) && (p == value || isspace((unsigned char)p[-1]))) {
			*p = 0;
			break;
		}
	}
	return trim(value);
}

/* Lists the known keys of the section, so that a slip of the pen is found at once. */
static bool unknown_key(struct reader *r, const char *name)
{
	char known[256] = "";
	for (size_t i = 0, n = 0; i < r->count && n < sizeof known; i++) {
		if (!strcmp(r->keys[i].section, r->section))
			n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", r->keys[i].name);
		else if (!strcmp(r->keys[i].name, name))
			return fail(r, "[%s] has no key %s; it belongs into [%s]", r->section, name, r->keys[i].section);
	}
	return fail(r, "[%s] has no key %.64s; known are %s", r->section, name, known);
}

static bool read_section(struct reader *r, char *s)
{
	char *end = strchr(s, ']');
	char *rest = end ? trim(end + 1) : NULL;
	if (!end || (*rest && !comment(rest)))
		return fail(r, "\"%.64s\": a section is written as [name]", s);
	*end = 0;
	snprintf(r->section, sizeof r->section, "%s", trim(s + 1));
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->keys[i].section, r->section))
			return true;
	return fail(r, "there is no section [%s]; known are [log], [controller] and [client]", r->section);
}

static bool read_assignment(struct reader *r, char *s)
{
	char *value = strchr(s, '=');
	if (!value)
		return fail(r, "\"%.64s\": want key = value, [section], or a comment that begins with #", s);
	*value++ = 0;
	char *name = trim(s);
	value = unquote(trim(value));
	if (!*r->section)
		return fail(r, "%.64s stands before any section; put a line such as [log] above it", name);

	for (size_t i = 0; i < r->count && i < MAX_KEYS; i++) {
		if (strcmp(r->keys[i].section, r->section) || strcmp(r->keys[i].name, name))
			continue;
		if (r->seen[i])
			return fail(r, "[%s] %s is set twice, first on line %d; remove one", r->section, name, r->seen[i]);
		r->seen[i] = r->line;
		const char *want = r->keys[i].set(r->into, value);
		return want ? fail(r, "[%s] %s = \"%.128s\": want %s", r->section, name, value, want) : true;
	}
	return unknown_key(r, name);
}

static bool read_text(struct reader *r, char *text)
{
	if (!strncmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	for (char *next; text; text = next) {
		next = strchr(text, '\n');
		if (next)
			*next++ = 0;
		r->line++;
		char *s = trim(text);
		if (!*s || comment(s))
			continue;
		if (!(*s == '[' ? read_section(r, s) : read_assignment(r, s)))
			return false;
	}
	return true;
}

/* Reads the whole file; the text is the caller's to free. */
static char *load(struct reader *r, int fd)
{
	char *text = malloc(MAX_BYTES + 1);
	size_t n = 0;
	ssize_t got = 1;
	while (text && n < MAX_BYTES && got) {
		got = read(fd, text + n, MAX_BYTES - n);
		if (got < 0 && errno != EINTR) {
			fail(r, "read configuration: %s", strerror(errno));
			free(text);
			return NULL;
		}
		n += got > 0 ? (size_t)got : 0;
	}
	if (!text || n == MAX_BYTES || memchr(text, 0, n)) {
		fail(r, "%s", !text ? "out of memory" : n == MAX_BYTES ? "it is larger than 1 MiB" : "it is not a text file");
		free(text);
		return NULL;
	}
	text[n] = 0;
	return text;
}

bool keyfile_read(const char *path, bool optional, const struct key *keys, size_t count, void *into, char *message,
		  size_t room)
{
	struct reader r = {.path = path, .keys = keys, .count = count, .into = into, .message = message, .room = room};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		if (optional && (errno == ENOENT || errno == ENOTDIR))
			return true;
		return fail(&r, "read configuration: %s; make it readable, or remove it", strerror(errno));
	}
	char *text = load(&r, fd);
	close(fd);
	bool ok = text && read_text(&r, text);
	free(text);
	return ok;
}
