// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "replace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "state.h"

enum { PIECE = 16 << 20, RETRIES = 100 };

static void *at(uint64_t address) { return (void *)(uintptr_t)address; }

/* The pages that may only be read now, and all that were on their way of late. */
static struct {
	_Atomic uint64_t from, to;
	_Atomic uint64_t late_from, late_to;
	struct sigaction before; /* what the program had for SIGSEGV */
} window;

/* A thread's last fault, and the one that it passed on. */
static __thread struct {
	uint64_t address, passed;
	unsigned times;
} fault __attribute__((tls_model("initial-exec")));

static bool within(uint64_t a, _Atomic uint64_t *from, _Atomic uint64_t *to) { return a >= atomic_load(from) && a < atomic_load(to); }

/* Runs the program's own handler, or lets the fault happen again without one. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	uint64_t a = (uint64_t)(uintptr_t)info->si_addr;
	struct sigaction *p = &window.before, none = {.sa_handler = SIG_DFL};
	bool again = fault.passed == a + 1; /* the program's handler has come back here */
	if (again || (!(p->sa_flags & SA_SIGINFO) && (p->sa_handler == SIG_DFL || p->sa_handler == SIG_IGN))) {
		sigaction(signal, &none, NULL);
		return;
	}
	fault.passed = a + 1;
	if (p->sa_flags & SA_SIGINFO)
		p->sa_sigaction(signal, info, context);
	else
		p->sa_handler(signal);
	fault.passed = 0;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	uint64_t a = (uint64_t)(uintptr_t)info->si_addr;
	while (info->si_code > 0 && within(a, &window.from, &window.to))
		sched_yield();
	/* The write is tried again. A fault may be told after its window has closed, but not for ever. */
	if (info->si_code > 0 && within(a, &window.late_from, &window.late_to)) {
		if (fault.address != a)
			fault.times = 0;
		fault.address = a;
		if (fault.times++ < RETRIES)
			return;
	}
	pass_on(signal, info, context);
}

static bool guard(void)
{
	struct sigaction mine = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;
	if (sigaction(SIGSEGV, NULL, &now))
		return false;
	if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault)
		return true;
	window.before = now;
	sigemptyset(&mine.sa_mask);
	return sigaction(SIGSEGV, &mine, NULL) == 0;
}

static bool alone(void)
{
	/* A folder has a link from itself, one from its parent, and one from each folder in it. glibc has stat as a
	 * function since 2.33 only. */
	struct stat tasks;
	return syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &tasks, 0) == 0 && tasks.st_nlink == 3;
}

/* Puts n bytes at source, moved or doubled there, in the place of those at target. Where the kernel has taken the
 * target away and then failed, the content comes back from copy. */
static bool put(uint64_t source, uint64_t target, uint64_t n, const void *copy)
{
	if (mremap(at(source), n, n, MREMAP_MAYMOVE | MREMAP_FIXED, at(target)) == at(target))
		return true;
	munmap(at(source), n);
	void *p = mmap(at(target), n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (p == at(target))
		memcpy(p, copy, n);
	return false;
}

static bool piece_in(uint64_t piece, uint64_t n, uint64_t region)
{
	memcpy(at(region), at(piece), n); /* by this thread alone: others may need memory of this piece to begin */
	/* A shared mapping of which nothing is moved is doubled. */
	void *twin = mremap(at(region), 0, n, MREMAP_MAYMOVE);
	if (twin == MAP_FAILED || madvise(twin, n, MADV_DOFORK))
		return false;
	return put((uint64_t)(uintptr_t)twin, piece, n, at(region));
}

static bool piece_out(uint64_t piece, uint64_t n, uint64_t region)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return false;
	memcpy(p, at(piece), n);
	return put((uint64_t)(uintptr_t)p, piece, n, at(region));
}

static bool piece_move(uint64_t piece, uint64_t n, uint64_t region, bool guarded, bool in)
{
	sigset_t all, mine;
	if (guarded) {
		sigfillset(&all); /* a handler of this thread's must not wait for itself */
		pthread_sigmask(SIG_SETMASK, &all, &mine);
		atomic_store(&window.from, piece);
		atomic_store(&window.to, piece + n);
	}
	bool ok = (!guarded || mprotect(at(piece), n, PROT_READ) == 0) && (in ? piece_in : piece_out)(piece, n, region);
	if (guarded) {
		if (!ok)
			mprotect(at(piece), n, PROT_READ | PROT_WRITE);
		atomic_store(&window.to, 0);
		pthread_sigmask(SIG_SETMASK, &mine, NULL);
	}
	return ok;
}

static bool replace(uint64_t from, uint64_t to, uint64_t region, bool in)
{
	bool guarded = !alone();
	if (guarded && !guard())
		return false;
	atomic_store(&window.late_to, 0);
	atomic_store(&window.late_from, from);
	atomic_store(&window.late_to, to);
	for (uint64_t done = 0, n; done < to - from; done += n) {
		n = to - from - done < PIECE ? to - from - done : PIECE;
		if (piece_move(from + done, n, region + done, guarded, in))
			continue;
		for (uint64_t back = 0; back < done; back += PIECE)
			piece_move(from + back, done - back < PIECE ? done - back : PIECE, region + back, guarded, !in);
		return false;
	}
	return true;
}

bool replace_by_region(uint64_t from, uint64_t to, uint64_t region) { return replace(from, to, region, true); }
bool replace_by_private(uint64_t from, uint64_t to, uint64_t region) { return replace(from, to, region, false); }

void replace_in_child(uint64_t from, uint64_t to)
{
	for (uint64_t n; from < to; from += n) {
		n = to - from < PIECE ? to - from : PIECE;
		void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			continue; /* what it writes there, its parent sees: there is no memory for better */
		memcpy(p, at(from), n);
		mremap(p, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, at(from));
	}
}

/* One line of /proc/self/maps: the first address of the range that is covered beyond it, or an obstacle. */
static const char *look_at(const char *line, uint64_t *covered, uint64_t to)
{
	unsigned long long from, end;
	char perms[5] = "";
	int path = 0;
	if (sscanf(line, "%llx-%llx %4s %*x %*s %*u %n", &from, &end, perms, &path) < 3 || end <= *covered || from >= to)
		return NULL;
	if (from > *covered)
		return "a part of it does not exist";
	if (perms[0] != 'r' || perms[1] != 'w')
		return "a part of it cannot be read and written";
	if (perms[3] != 'p')
		return "a part of it is shared with other processes, or registered already";
	if (!strncmp(line + path, "[stack", 6))
		return "it is a stack";
	*covered = end;
	return NULL;
}

const char *replace_obstacle(uint64_t from, uint64_t to)
{
	uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0), covered = from;
	uint64_t local = (uint64_t)(uintptr_t)&fault;
	if ((here >= from && here < to) || (local >= from && local < to))
		return "it is this thread's stack or local storage";
	FILE *f = fopen("/proc/self/maps", "re");
	if (!f)
		return "/proc/self/maps cannot be read";
	char *line = NULL;
	size_t room = 0;
	const char *obstacle = NULL;
	while (!obstacle && covered < to && getline(&line, &room, f) > 0)
		obstacle = look_at(line, &covered, to);
	free(line);
	fclose(f);
	return obstacle ? obstacle : covered < to ? "a part of it does not exist" : NULL;
}
