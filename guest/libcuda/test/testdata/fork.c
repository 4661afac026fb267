// SPDX-License-Identifier: Apache-2.0
/*
 * Forks while another thread opens a session, at a byte on standard input. The child can open one of its own, and holds
 * nothing of its parent's: prints its sockets, and what cuInit gives it.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int (*init)(unsigned flags);

static void *opening(void *result)
{
	*(int *)result = init(0);
	return NULL;
}

static int sockets(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *e; d && (e = readdir(d));) {
		struct stat s;
		n += !fstat(atoi(e->d_name), &s) && S_ISSOCK(s.st_mode);
	}
	if (d)
		closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
	pthread_t t;
	char byte;
	int result = 0, status = 0;
	if (!library)
		return 2;
	init = (int (*)(unsigned))dlsym(library, "cuInit");
	if (pthread_create(&t, NULL, opening, &result) || read(STDIN_FILENO, &byte, 1) != 1)
		return 2;
	pid_t child = fork();
	if (child == 0) {
		alarm(30);
		int held = sockets();
		printf("sockets %d, cuInit %d\n", held, init(0));
		fflush(stdout);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
	printf("the child has ended\n");
	fflush(stdout);
	pthread_join(t, NULL);
	CHECK(result != 0);
	return check_failures;
}
