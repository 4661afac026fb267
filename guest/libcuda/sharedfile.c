// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "sharedfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cancel.h"
#include "generated/calls.h"
#include "state.h"

/* A line of /proc/self/maps. */
struct line {
	unsigned long long from, to, offset;
	unsigned major, minor;
	unsigned long long inode;
	char perms[5];
	char *path;
};

static bool parse(char *text, struct line *l)
{
	int path = 0;
	if (sscanf(text, "%llx-%llx %4s %llx %x:%x %llu %n", &l->from, &l->to, l->perms, &l->offset, &l->major, &l->minor, &l->inode, &path) < 7)
		return false;
	text[strcspn(text, "\n")] = 0;
	l->path = text + path;
	return true;
}

/* Walks the lines that cover a range, and keeps the first one's path. */
static bool walk(uint64_t from, uint64_t to, struct shared_file *f, char *path, size_t room)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char *text = NULL;
	size_t size = 0;
	uint64_t covered = from;
	bool ok = maps != NULL;
	struct line l;
	while (ok && covered < to && getline(&text, &size, maps) > 0) {
		if (!parse(text, &l) || l.to <= covered)
			continue;
		uint64_t device = makedev(l.major, l.minor), offset = l.offset + (covered - l.from);
		ok = l.from <= covered && !strcmp(l.perms, "rw-s") && l.inode;
		if (ok && covered == from) {
			*f = (struct shared_file){.fd = -1, .device = device, .inode = l.inode, .offset = offset};
			snprintf(path, room, "%s", l.path);
		}
		ok = ok && f->device == device && f->inode == l.inode && offset - f->offset == covered - from;
		covered = l.to;
	}
	free(text);
	if (maps)
		fclose(maps);
	return ok && covered >= to;
}

bool shared_find(uint64_t from, uint64_t to, struct shared_file *f)
{
	char path[16];
	return walk(from, to, f, path, sizeof path);
}

bool shared_part(const struct shared_file *f, uint64_t base, uint64_t *from, uint64_t to, uint64_t *end)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char *text = NULL;
	size_t size = 0;
	bool found = false;
	struct line l;
	while (maps && !found && *from < to && getline(&text, &size, maps) > 0) {
		if (!parse(text, &l) || l.to <= *from || l.from >= to)
			continue;
		uint64_t first = l.from > *from ? l.from : *from;
		found = l.perms[3] == 's' && f->device == makedev(l.major, l.minor) && f->inode == l.inode &&
			l.offset + (first - l.from) == f->offset + (first - base);
		*from = found ? first : *from;
		*end = l.to < to ? l.to : to;
	}
	free(text);
	if (maps)
		fclose(maps);
	return found;
}

bool shared_describe(int fd, struct shared_file *f)
{
	struct stat s; /* glibc has fstat as a function since 2.33 only */
	if (fd < 0 || syscall(SYS_newfstatat, fd, "", &s, AT_EMPTY_PATH) || !S_ISREG(s.st_mode))
		return false;
	*f = (struct shared_file){.fd = fd, .device = s.st_dev, .inode = s.st_ino};
	return true;
}

bool shared_is(int fd, const struct shared_file *f)
{
	struct shared_file now;
	return shared_describe(fd, &now) && now.device == f->device && now.inode == f->inode;
}

static bool open_path(const char *path, struct shared_file *f)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (shared_is(fd, f)) {
		f->fd = fd;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

static bool open_descriptor(struct shared_file *f)
{
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *e; d && f->fd < 0 && (e = readdir(d));) {
		int fd = atoi(e->d_name), flags = fcntl(fd, F_GETFL);
		if (e->d_name[0] != '.' && flags >= 0 && (flags & O_ACCMODE) == O_RDWR && shared_is(fd, f))
			f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	if (d)
		closedir(d);
	return f->fd >= 0;
}

bool shared_open(uint64_t from, uint64_t to, struct shared_file *f)
{
	char path[4096];
	return walk(from, to, f, path, sizeof path) && (open_path(path, f) || open_descriptor(f));
}

/* With a byte, which wakes the worker. */
static bool send_file(int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 1;
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	ssize_t n;
	int cancel = cancel_hold();
	do
		n = sendmsg(session.socket, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	cancel_allow(cancel);
	return n == 1;
}

int shared_map(const struct shared_file *f, uint64_t at, uint64_t bytes, uint64_t *host, uint64_t *device)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a command takes the file that came last */
	pthread_mutex_lock(&lock);
	int r = send_file(f->fd) ? wire_host_map(at, bytes, f->offset, f->device, f->inode, host, device) : CUDA_ERROR_OPERATING_SYSTEM;
	pthread_mutex_unlock(&lock);
	return r;
}
