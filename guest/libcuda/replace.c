// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "replace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "aside.h"
#include "state.h"

enum { PAGE = 4096, PIECE = 16 << 20, RETRIES = 100 };

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

/* Pages on their way. Of those that were private for a while only, was tells what they began with. */
struct piece {
	uint64_t at, bytes, region;
	uint8_t *was;
	bool in, guarded, moved;
};

/* What the GPU has written meanwhile stays, but for what the program has written. */
static void merge(uint8_t *to, const uint8_t *from, const uint8_t *was, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (from[i] != was[i])
			to[i] = from[i];
}

/* A shared mapping of which nothing is moved is doubled. MAP_FAILED if it cannot be. */
static void *doubled(uint64_t a, uint64_t n) { return mremap(at(a), 0, n, MREMAP_MAYMOVE); }

static bool piece_in(const struct piece *p)
{
	/* By this thread alone: others may need memory of this piece to begin. */
	if (p->was)
		merge(at(p->region), at(p->at), p->was, p->bytes);
	else
		memcpy(at(p->region), at(p->at), p->bytes);
	void *twin = doubled(p->region, p->bytes);
	if (twin == MAP_FAILED || madvise(twin, p->bytes, MADV_DOFORK))
		return false;
	return put((uint64_t)(uintptr_t)twin, p->at, p->bytes, at(p->region));
}

static bool piece_out(const struct piece *p)
{
	void *copy = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return false;
	memcpy(copy, at(p->at), p->bytes);
	if (p->was)
		memcpy(p->was, copy, p->bytes);
	return put((uint64_t)(uintptr_t)copy, p->at, p->bytes, at(p->region));
}

/* Moves a piece. The thread's own stack may be in it, so this runs aside. */
static void piece_move(void *piece)
{
	struct piece *p = piece;
	if (p->guarded) {
		atomic_store(&window.from, p->at);
		atomic_store(&window.to, p->at + p->bytes);
	}
	p->moved = (!p->guarded || mprotect(at(p->at), p->bytes, PROT_READ) == 0) && (p->in ? piece_in : piece_out)(p);
	if (p->guarded) {
		if (!p->moved)
			mprotect(at(p->at), p->bytes, PROT_READ | PROT_WRITE);
		atomic_store(&window.to, 0);
	}
}

static bool move(struct piece p)
{
	aside(piece_move, &p);
	return p.moved;
}

static bool replace(uint64_t from, uint64_t to, uint64_t region, bool in, uint8_t *was)
{
	struct piece p = {.guarded = !alone(), .in = in, .was = was};
	if (p.guarded && !guard())
		return false;
	atomic_store(&window.late_to, 0);
	atomic_store(&window.late_from, from);
	atomic_store(&window.late_to, to);
	for (uint64_t done = 0; done < to - from; done += p.bytes) {
		p.at = from + done;
		p.region = region + done;
		p.bytes = to - p.at < PIECE ? to - p.at : PIECE;
		if (move(p))
			continue;
		struct piece back = {.guarded = p.guarded, .in = !in, .bytes = PIECE};
		for (back.at = from, back.region = region; back.at < p.at; back.at += PIECE, back.region += PIECE)
			move(back);
		return false;
	}
	return true;
}

bool replace_by_region(uint64_t from, uint64_t to, uint64_t region) { return replace(from, to, region, true, NULL); }
bool replace_by_private(uint64_t from, uint64_t to, uint64_t region) { return replace(from, to, region, false, NULL); }
bool replace_lend(uint64_t from, uint64_t to, uint64_t region, uint8_t *was) { return to - from <= PIECE && replace(from, to, region, false, was); }
bool replace_return(uint64_t from, uint64_t to, uint64_t region, uint8_t *was) { return to - from <= PIECE && replace(from, to, region, true, was); }

void *replace_join(uint64_t slot, uint64_t other)
{
	void *kept = doubled(slot, PAGE), *twin = kept != MAP_FAILED ? doubled(other, PAGE) : MAP_FAILED;
	if (twin != MAP_FAILED && mremap(twin, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(slot)) == at(slot))
		return kept;
	if (twin != MAP_FAILED)
		munmap(twin, PAGE);
	if (kept != MAP_FAILED)
		replace_part(slot, kept);
	return NULL;
}

void replace_part(uint64_t slot, void *kept) { mremap(kept, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(slot)); }

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
