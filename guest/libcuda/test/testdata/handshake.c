// SPDX-License-Identifier: Apache-2.0
/* A peer that never answers, or in crumbs, is given up in time, though signals of the program interrupt each wait. */
#define _GNU_SOURCE
#define WELCOME_TIMEOUT_MS 400
#include "../../handshake.c"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

uint64_t monotonic_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void tick(int signal)
{
	static int ticks;
	(void)signal;
	if (++ticks == 1500) { /* half a minute */
		static const char text[] = "the wait does not end\n";
		(void)!write(STDERR_FILENO, text, sizeof text - 1);
		_exit(1);
	}
}

static void *crumbs(void *fd)
{
	struct timespec pause = {.tv_nsec = 100000000};
	char b = 0;
	while (send(*(int *)fd, &b, 1, MSG_NOSIGNAL) == 1)
		nanosleep(&pause, NULL);
	return NULL;
}

static void greet(int fd)
{
	struct config config = {.vgpus = 1};
	struct welcome w;
	CHECK_INT(handshake(fd, &config, WIRE_CARRIER_MEMORY, NULL, &w), CUDA_ERROR_SYSTEM_NOT_READY);
	CHECK(strstr(w.reason, "no answer within"));
}

int main(void)
{
	struct sigaction a = {.sa_handler = tick}; /* without SA_RESTART */
	struct itimerval often = {{0, 20000}, {0, 20000}};
	int silent[2], slow[2];
	sigset_t all, mine;
	pthread_t t;
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, silent) && !socketpair(AF_UNIX, SOCK_STREAM, 0, slow));
	sigaction(SIGALRM, &a, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	greet(silent[0]);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &mine);
	CHECK(!pthread_create(&t, NULL, crumbs, &slow[1]));
	pthread_sigmask(SIG_SETMASK, &mine, NULL);
	greet(slow[0]);
	close(slow[0]);
	pthread_join(t, NULL);
	return check_failures;
}
