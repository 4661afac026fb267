// SPDX-License-Identifier: Apache-2.0
/* Logs from a process, its child and its threads. Arguments: screen level, file level, time, lines per thread. */
#include "../../log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int lines;

static void *talk(void *name)
{
	for (int i = 0; i < lines; i++)
		log_line(LOG_INFO, "thread %s line %d", (const char *)name, i);
	return NULL;
}

int main(int argc, char **argv)
{
	char text[5000];
	pthread_t one, two;

	if (argc != 5)
		return 2;
	lines = atoi(argv[4]);
	log_configure(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]));
	log_line(LOG_DEBUG, "a detail");
	log_line(LOG_INFO, "number %d", 7);
	errno = EPERM;
	log_line(LOG_ERROR, "an error");
	CHECK_INT(errno, EPERM);

	int status;
	pid_t child = fork();
	if (!child) {
		log_line(LOG_WARN, "from the child");
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK_INT(status, 0);

	pthread_create(&one, NULL, talk, "one");
	pthread_create(&two, NULL, talk, "two");
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	log_line(LOG_WARN, "%s", text);
	printf("%d %d\n", (int)getpid(), (int)child);
	return check_failures;
}
