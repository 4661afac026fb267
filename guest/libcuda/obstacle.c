// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "replace.h"
#include "state.h"

enum { PAGE = 4096 };

/* How far beyond [from, to) the lines of /proc/self/maps reach without a gap, and whether the main thread's stack
 * is among them: parts of it that were replaced before have lost its name. */
struct cover {
	uint64_t from, to, reached;
	bool main_stack;
};

/* Takes one line more. An obstacle, or NULL. */
static const char *look_at(const char *line, struct cover *c)
{
	unsigned long long from, end;
	char perms[5] = "";
	int path = 0;
	if (sscanf(line, "%llx-%llx %4s %*x %*s %*u %n", &from, &end, perms, &path) < 3 || end <= c->reached || from > c->reached)
		return NULL;
	bool within = from < c->to;
	if (within && (perms[0] != 'r' || perms[1] != 'w'))
		return "a part of it cannot be read and written";
	if (within && perms[2] == 'x')
		return "a part of it can be executed";
	if (within && perms[3] != 'p')
		return "a part of it is shared with other processes, or registered already";
	c->main_stack |= !strncmp(line + path, "[stack", 6);
	c->reached = end;
	return NULL;
}

static uint64_t descriptor(void) { return (uint64_t)pthread_self(); }

static int lowest(struct dl_phdr_info *info, size_t bytes, void *result)
{
	enum { STATIC = 64 << 10 }; /* farther away are variables of modules that were loaded late */
	uint64_t *low = result, a = (uint64_t)(uintptr_t)info->dlpi_tls_data;
	(void)bytes;
	if (a < *low && descriptor() - a < STATIC)
		*low = a;
	return 0;
}

/* Whether pages hold what the kernel and other threads deal with this thread by: its descriptor, on which joining
 * threads wait by the page's identity, and the word for restartable sequences, which the kernel writes whenever it
 * likes. They lie at the thread pointer, and right below the thread's variables. */
static bool thread_storage(uint64_t from, uint64_t to)
{
	enum { SEQUENCES = 256 };
	uint64_t low = descriptor();
	dl_iterate_phdr(lowest, &low);
	return from < descriptor() + PAGE && to > low - SEQUENCES;
}

static const char *stack_obstacle(uint64_t from)
{
	if (syscall(SYS_gettid) != getpid())
		return "it is another thread's stack";
	/* The part of the main thread's stack that grows lies below, so must not be empty. */
	(void)*(volatile char *)(uintptr_t)(from - 1);
	return NULL;
}

const char *replace_obstacle(uint64_t from, uint64_t to)
{
	if (thread_storage(from, to))
		return "it shares a page with this thread's local storage";
	FILE *f = fopen("/proc/self/maps", "re");
	if (!f)
		return "/proc/self/maps cannot be read";
	char *line = NULL;
	size_t room = 0;
	struct cover c = {.from = from, .to = to, .reached = from};
	const char *obstacle = NULL;
	while (!obstacle && getline(&line, &room, f) > 0)
		obstacle = look_at(line, &c);
	free(line);
	fclose(f);
	if (!obstacle && c.reached < to)
		obstacle = "a part of it does not exist";
	return !obstacle && c.main_stack ? stack_obstacle(from) : obstacle;
}
